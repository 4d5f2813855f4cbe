export const panic_there = () => host.panic();
