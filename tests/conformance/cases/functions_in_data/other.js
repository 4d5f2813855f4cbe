export const use = (tools) => [tools.name(), ...tools.list.map((f, i) => f(i + 1))];
export const tools = { describe: (x) => "tool " + x };
