let calls = 0;
export function stuck() {
  calls += 1;
  try {
    host.hang();
    print("never printed");
  } finally {
    host.cleaned("other");
  }
}
export const calls_there = () => calls;
