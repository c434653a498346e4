// Stands for undici in the command line's bundle: what src/io/http-client uses of it.
const Dispatcher = require("undici/lib/dispatcher/dispatcher.js");

Dispatcher.prototype.request = require("undici/lib/api/api-request.js");
// A proxy's agent asks for its tunnels by this.
Dispatcher.prototype.connect = require("undici/lib/api/api-connect.js");
exports.Agent = require("undici/lib/dispatcher/agent.js");
exports.ProxyAgent = require("undici/lib/dispatcher/proxy-agent.js");
