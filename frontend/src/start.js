// Fills in what only the running hub knows. Without it the page is complete but for that.

const READINESS_INTERVAL_MS = 5000;
const EVERY_ADDRESS = new Set(['0.0.0.0', '::']);

const element = (id) => document.getElementById(id);

function show(id, text) {
  const target = element(id);
  if (text !== undefined) target.textContent = text;
  target.hidden = false;
}

function grpcTarget({ host, port }) {
  const name = EVERY_ADDRESS.has(host) ? location.hostname : host;
  return name.includes(':') && !name.startsWith('[') ? `[${name}]:${port}` : `${name}:${port}`;
}

function protoEntry(path) {
  const entry = document.createElement('li');
  const link = entry.appendChild(document.createElement('a'));
  link.href = `/protos/${path}`;
  const [folder, name] = [path.slice(0, path.lastIndexOf('/')), path.slice(path.lastIndexOf('/') + 1)];
  link.textContent = name;
  entry.appendChild(document.createElement('span')).textContent = folder;
  return entry;
}

async function fillIn() {
  const about = await (await fetch('/about.json')).json();
  show('version', about.version);
  show('channels', `Channels: ${about.channels.join(', ')}.`);
  show('grpc-target', grpcTarget(about.grpc));
  show('grpc');
  element('protos').replaceChildren(...about.protos.map(protoEntry));
  if (about.grpc.reflection) show('reflection');
  if (about.graphql.graphiql) show('graphiql');
  if (about.capture) show('outbox');
}

async function checkReadiness() {
  const pill = element('readiness');
  let ready = false;
  try {
    ready = (await fetch('/readyz', { cache: 'no-store' })).ok;
  } catch {
    // The hub is restarting.
  }
  pill.className = `readiness ${ready ? 'ready' : 'unready'}`;
  const text = ready ? 'ready' : 'not ready';
  if (pill.textContent !== text) pill.textContent = text;
}

function offerCopy() {
  const code = element('example');
  code.textContent = code.textContent.replace('http://127.0.0.1:8000', location.origin);
  // Browsers have a clipboard only where the connection is safe, which includes loopback.
  if (!navigator.clipboard) return;
  const button = element('copy');
  button.hidden = false;
  button.addEventListener('click', async () => {
    await navigator.clipboard.writeText(code.textContent);
    button.textContent = 'Copied';
    setTimeout(() => (button.textContent = 'Copy'), 1500);
  });
}

offerCopy();
fillIn();
checkReadiness();
setInterval(checkReadiness, READINESS_INTERVAL_MS);
