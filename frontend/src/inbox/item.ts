import { html, nothing, type TemplateResult } from 'lit';

import { archiveIcon, readIcon, unarchiveIcon, unreadIcon } from './icons';
import type { Item } from './types';
import type { Acts, View } from './view';

/** More of a message is shown when its item is entered; until then a screen reader need not read all of it either. */
const SHORT = 240;

export function isLong({ message }: Item): boolean {
  return message.length > SHORT || message.split('\n', 4).length > 3;
}

function excerpt(message: string): string {
  // By characters, not by halves of them.
  return message.length > SHORT ? `${Array.from(message.slice(0, SHORT + 1)).slice(0, -1).join('')}…` : message;
}

/** One notification: a button that enters it, and what can be done to it. Its texts are texts, whatever they hold. */
export function itemTemplate(item: Item, view: View, acts: Acts): TemplateResult {
  const { words, current } = view;
  const { texts } = words;
  const [isRead, expanded] = [item.readAt !== null, view.expanded.has(item.id)];
  const delivered = Date.parse(item.deliveredAt);
  const tabindex = current === item.id ? 0 : -1;
  const action = (part: string, text: string, icon: unknown, act: (item: Item) => void) => html`
    <button
      type="button"
      class="icon-button"
      part="item-action ${part}"
      tabindex=${tabindex}
      title=${text}
      aria-label=${texts.actionOn(text, item.title)}
      @click=${() => act(item)}
    >
      ${icon}
    </button>
  `;
  return html`
    <li
      class="item ${isRead ? 'read' : 'unread'}"
      part="item ${isRead ? 'item-read' : 'item-unread'}"
      data-id=${item.id}
      @focusin=${() => acts.reach(item)}
    >
      <button
        type="button"
        class="main"
        part="item-main"
        tabindex=${tabindex}
        aria-expanded=${isLong(item) ? String(expanded) : nothing}
        @click=${() => acts.activate(item)}
      >
        ${isRead ? nothing : html`<span class="dot" part="item-dot"></span><span class="hidden">${texts.isUnread}</span>`}
        <span class="title" part="item-title" dir="auto">${item.title}</span>
        <span class="message ${expanded ? 'whole' : ''}" part="item-message" dir="auto"
          >${expanded ? item.message : excerpt(item.message)}</span
        >
        <span class="meta">
          <time part="item-time" dir="auto" datetime=${item.deliveredAt} title=${words.full(delivered)}
            >${words.ago(delivered, view.now)}</time
          >
          ${item.category === null
            ? nothing
            : html`<span class="category" part="item-category" dir="auto">${item.category}</span>`}
        </span>
      </button>
      <div class="actions" part="item-actions">
        ${isRead
          ? action('mark-unread', texts.markUnread, unreadIcon, acts.toggleRead)
          : action('mark-read', texts.markRead, readIcon, acts.toggleRead)}
        ${item.archivedAt === null
          ? action('archive', texts.archive, archiveIcon, acts.toggleArchived)
          : action('unarchive', texts.unarchive, unarchiveIcon, acts.toggleArchived)}
      </div>
    </li>
  `;
}
