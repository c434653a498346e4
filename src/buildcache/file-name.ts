/** A name as Spack writes it into paths (`polite_filename`). */
export const fileNameOf = (name: string): string => name.replaceAll(/[^A-Za-z0-9_+.-]/g, "_");
