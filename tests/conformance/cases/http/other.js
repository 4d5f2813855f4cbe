const server = http.serve("127.0.0.1:0", async (request) => {
  const { path, method, query, headers, body } = request;
  if (path === "/echo") {
    const about = `${method} ${query} ${headers["x-note"]}`;
    return { status: 201, headers: { "x-about": about }, cookies: ["a=1", "b=2"], body };
  }
  if (path === "/text") return "plain text";
  if (path === "/nothing") return undefined;
  if (path === "/moved") return { status: 302, headers: { location: "/text" } };
  if (path === "/pieces") {
    let n = 0;
    return { body: () => (n < 3 ? `piece ${++n}\n` : undefined) };
  }
  if (path === "/slow") {
    host.signal("asked");
    await host.wait.async("answer");
    return "late";
  }
  if (path === "/wrong") return { state: 200 };
  throw new Error(`no ${path}`);
});
const place = http.address(server);
expose("url", `http://${place.host}:${place.port}`);
expose("stop", () => http.close(server));
