export const store = (name, data) => fs.write(host.folder + "/" + name, data);
export const stored = (name) => fs.read(host.folder + "/" + name);
