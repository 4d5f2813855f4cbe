export function enter(f) {
  try {
    return f();
  } finally {
    host.cleaned("other");
  }
}
