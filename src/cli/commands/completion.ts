import { Argument } from "commander";
import { type CommandDefinition, examples } from "../command.js";

const scripts: Readonly<Record<string, string>> = {
  bash: `_stowage() {
  local IFS=$'\\n'
  COMPREPLY=($(stowage __complete "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null | cut -f1))
}
complete -o default -F _stowage stowage`,
  zsh: `#compdef stowage
_stowage() {
  local -a found
  local line
  while IFS=$'\\t' read -r name text; do
    found+=("\${name//:/\\\\:}\${text:+:$text}")
  done < <(stowage __complete "\${(@)words[2,CURRENT]}" 2>/dev/null)
  if (( \${#found} )); then _describe stowage found; else _files; fi
}
compdef _stowage stowage`,
  fish: `function __stowage_complete
  set -l words (commandline -opc) (commandline -ct)
  stowage __complete $words[2..-1] 2>/dev/null
end
complete -c stowage -a '(__stowage_complete)'`,
};

export const completion: CommandDefinition = {
  define(command) {
    command.addArgument(new Argument("<shell>", "which shell").choices(Object.keys(scripts)));
    examples(command, [
      ["stowage completion bash > ~/.local/share/bash-completion/completions/stowage", "for bash"],
      ["source <(stowage completion zsh)", "in ~/.zshrc"],
      ["stowage completion fish > ~/.config/fish/completions/stowage.fish", "for fish"],
    ]);
  },
  async run({ given }) {
    const shell = given.argument(0);
    const script = scripts[shell] ?? "";
    return { document: { shell, script }, lines: () => [script] };
  },
};
