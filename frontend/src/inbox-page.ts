// The page /inbox: the component as any page would have it, and a form that sends to the reader.
import type { NotificationInbox } from './inbox';
import { Hub, Refused } from './inbox-page/hub';
import { SAMPLES } from './inbox-page/samples';
import { Sent } from './inbox-page/sent';

interface About {
  readonly channels: readonly string[];
  readonly graphql: { readonly graphiql: boolean };
  readonly credentials: boolean;
  readonly capture: boolean;
}

const NAMES: Readonly<Record<string, string>> = { in_app: 'In app', email: 'E-mail', sms: 'SMS', webhook: 'Webhook' };
const ADDRESSES: Readonly<Record<string, string>> = {
  email: 'E-mail address',
  sms: 'Phone number, such as +12015550123',
  webhook: 'URL, such as https://hooks.example/inbox',
};
const CATEGORIES = ['orders', 'billing', 'security'];

function element<Kind extends HTMLElement = HTMLInputElement>(id: string): Kind {
  return document.getElementById(id) as Kind;
}

const hub = new Hub();
const inbox = element<NotificationInbox>('inbox');
const sent = new Sent(element('sent'), hub, NAMES);
let capture = false;
let needsCredential = false;
let sample = 0;

const channel = () => document.querySelector<HTMLInputElement>('input[name=channel]:checked')?.value ?? 'in_app';

/** Opens the bell. */
function become(userId: string): void {
  inbox.getToken = () => hub.tokenOf(userId);
  inbox.userId = userId;
  show(userId);
}

/** As whom the reader says they are; the bell waits for a credential where one is needed. */
function appear(userId: string): void {
  if (needsCredential && hub.credential === null) show(userId);
  else become(userId);
}

/** The user's id stands in the address, so that a second window is the same person. A credential never does. */
function show(userId: string): void {
  element('avatar').textContent = Array.from(userId)[0]?.toUpperCase() ?? '';
  element('snippet').textContent = `<script type="module"
  src="${location.origin}/notification-inbox.js">
</script>

<notification-inbox user-id="${userId}"></notification-inbox>

<script type="module">
  document.querySelector('notification-inbox').getToken =
    async () => (await fetch('/my/inbox-token')).text();
</script>`;
  const address = new URL(location.href);
  address.searchParams.set('user', userId);
  history.replaceState(null, '', address);
}

function offerChannels(channels: readonly string[]): void {
  const known = Object.keys(NAMES).filter((name) => channels.includes(name));
  const all = [...known, ...channels.filter((name) => !known.includes(name))];
  element('channels').replaceChildren(
    ...all.map((name, place) => {
      const label = document.createElement('label');
      const input = label.appendChild(document.createElement('input'));
      Object.assign(input, { type: 'radio', name: 'channel', value: name, defaultChecked: place === 0 });
      label.appendChild(document.createElement('span')).textContent = NAMES[name] ?? name;
      input.addEventListener('change', askForAddress);
      return label;
    }),
  );
}

function askForAddress(): void {
  const name = channel();
  element('address-label').hidden = name === 'in_app';
  element('address-name').textContent = ADDRESSES[name] ?? 'Address';
  element('address').value = '';
  element('address-note').textContent = capture
    ? 'Left empty: a made-up one. Nothing leaves this machine.'
    : "Left empty: the user's contact point.";
}

function fillIn(): void {
  const [title, message, category] = SAMPLES[sample % SAMPLES.length] ?? SAMPLES[0]!;
  element('title').value = title;
  element<HTMLTextAreaElement>('message').value = message;
  element('category').value = category;
}

function askForCredential(text?: string): void {
  element('credentials').hidden = false;
  if (text) element('credentials-note').textContent = text;
}

function metadata(): Record<string, string> {
  const category = element('category').value.trim();
  const priority = element<HTMLSelectElement>('priority').value;
  return { priority, ...(category ? { category } : {}) };
}

async function send(): Promise<void> {
  const [userId, title] = [element('user').value.trim(), element('title').value];
  if (userId !== inbox.userId) appear(userId);
  const command = {
    userId,
    type: channel(),
    to: (channel() !== 'in_app' && element('address').value.trim()) || null,
    title,
    message: element<HTMLTextAreaElement>('message').value,
    metadata: metadata(),
  };
  const accepted = await hub.send(command);
  element('sent-none').hidden = true;
  void sent.add(command, accepted);
  // Another one next time, unless the reader writes their own.
  if (SAMPLES.some(([known]) => known === title)) {
    sample += 1;
    fillIn();
  }
}

async function submit(event: Event): Promise<void> {
  event.preventDefault();
  const [button, error] = [element<HTMLButtonElement>('submit'), element('error')];
  if (button.getAttribute('aria-disabled') === 'true') return;
  button.setAttribute('aria-disabled', 'true');
  error.hidden = true;
  try {
    await send();
  } catch (fault) {
    error.textContent = fault instanceof Refused ? fault.message : 'The hub does not answer.';
    error.hidden = false;
    if (fault instanceof Refused && fault.code === 'UNAUTHENTICATED') askForCredential();
  } finally {
    button.removeAttribute('aria-disabled');
  }
}

function useCredential(event: Event): void {
  event.preventDefault();
  hub.credential = element('credential').value.trim();
  element('credential').value = '';
  element('credentials-note').textContent = hub.hasKey
    ? 'The key is in use. It stays in this page’s memory.'
    : 'The token is in use: it opens the bell of its user, and sends nothing.';
  become(element('user').value.trim());
}

async function start(): Promise<void> {
  const user = new URLSearchParams(location.search).get('user') ?? 'user123';
  element('user').value = user;
  element('user').addEventListener('change', () => {
    const userId = element('user').value.trim();
    if (userId) appear(userId);
  });
  inbox.categories = CATEGORIES;
  fillIn();
  element('send').addEventListener('submit', (event) => void submit(event));
  element('credentials-form').addEventListener('submit', useCredential);
  const about = (await (await fetch('/about.json')).json()) as About;
  capture = about.capture;
  element('graphiql').hidden = !about.graphql.graphiql;
  element('outbox').hidden = !capture;
  offerChannels(about.channels);
  askForAddress();
  needsCredential = about.credentials;
  if (needsCredential) askForCredential();
  appear(user);
}

void start();
