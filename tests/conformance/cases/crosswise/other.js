export const visit = (name) => host.later("other hosts ") + home(name);
export const go_out = () => "back from " + home("other");
