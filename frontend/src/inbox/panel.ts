import { html, nothing, type TemplateResult } from 'lit';
import { guard } from 'lit/directives/guard.js';
import { repeat } from 'lit/directives/repeat.js';

import { bellIcon, closeIcon, doneIcon, offlineIcon, warningIcon } from './icons';
import { itemTemplate } from './item';
import { emptyTexts, type Texts } from './texts';
import type { Filter } from './types';
import { type Acts, keyOf, type View } from './view';

const SKELETONS = 4;

/** The bell itself, with its number. */
export function bellTemplate({ snapshot, words, counts, open }: View): TemplateResult {
  const { texts } = words;
  const count = words.shown(snapshot[counts]);
  const counted = counts === 'unread' ? texts.bellUnread : texts.bellUnseen;
  const name = count.value === 0 ? texts.bellNone : counted(count);
  const isAway = snapshot.link === 'offline' || snapshot.link === 'refused';
  return html`
    <button
      type="button"
      class="bell"
      part="bell"
      popovertarget="panel"
      aria-haspopup="dialog"
      aria-expanded=${open}
      aria-controls="panel"
      aria-label=${isAway ? texts.bellOffline(name) : name}
    >
      ${bellIcon}
      ${count.value === 0 ? nothing : html`<span class="badge" part="badge" aria-hidden="true">${count.shown}</span>`}
      ${isAway ? html`<span class="away" part="away" aria-hidden="true"></span>` : nothing}
    </button>
  `;
}

function tab(view: View, acts: Acts, name: string, text: string, part: Pick<Filter, 'unread' | 'archived'>) {
  const { filter, unread } = view.snapshot;
  const selected = filter.unread === part.unread && filter.archived === part.archived;
  return html`
    <button
      type="button"
      role="tab"
      id="tab-${name}"
      class="tab"
      part="tab ${selected ? 'tab-selected' : ''}"
      aria-selected=${selected}
      aria-controls="list"
      tabindex=${selected ? 0 : -1}
      @click=${() => acts.filter(part)}
    >
      ${text}
      ${part.unread && unread.value > 0 ? html`<span class="number">${view.words.shown(unread).shown}</span>` : nothing}
    </button>
  `;
}

function categories(view: View, acts: Acts): TemplateResult | typeof nothing {
  const { categories: known, filter } = view.snapshot;
  if (known.size === 0 && filter.category === null) return nothing;
  const { texts } = view.words;
  const names = [...new Set([...known.keys(), ...(filter.category === null ? [] : [filter.category])])];
  const label = (name: string) => {
    const count = known.get(name);
    return count && count.value > 0 ? texts.categoryUnread(name, view.words.shown(count)) : name;
  };
  const chosen = (event: Event) => acts.filter({ category: (event.target as HTMLSelectElement).value || null });
  return html`
    <select class="categories" part="categories" aria-label=${texts.category} @change=${chosen}>
      <option value="" .selected=${filter.category === null}>${texts.allCategories}</option>
      ${repeat(names.sort(), (name) => name, (name) => html`
        <option value=${name} .selected=${filter.category === name}>${label(name)}</option>`)}
    </select>
  `;
}

function header(view: View, acts: Acts): TemplateResult {
  const { texts } = view.words;
  const { filter, unread } = view.snapshot;
  const nothingUnread = unread.value === 0 || filter.archived;
  return html`
    <div class="header" part="header">
      <h2 part="title">${texts.title}</h2>
      <button
        type="button"
        class="text-button"
        part="mark-all-read"
        aria-disabled=${nothingUnread}
        @click=${() => !nothingUnread && acts.markAllRead()}
      >
        ${doneIcon} ${texts.markAllRead}
      </button>
      <button
        type="button"
        class="icon-button"
        part="close"
        title=${texts.close}
        aria-label=${texts.close}
        @click=${acts.close}
      >
        ${closeIcon}
      </button>
    </div>
    <div class="filters" part="filters">
      <div role="tablist" class="tabs" part="tabs" aria-label=${texts.filters} @keydown=${acts.keyOnTabs}>
        ${tab(view, acts, 'all', texts.all, { unread: false, archived: false })}
        ${tab(view, acts, 'unread', texts.unread, { unread: true, archived: false })}
        ${tab(view, acts, 'archived', texts.archived, { unread: false, archived: true })}
      </div>
      ${categories(view, acts)}
    </div>
  `;
}

const retryButton = (text: string, acts: Acts) =>
  html`<button type="button" class="text-button" part="retry" @click=${acts.retry}>${text}</button>`;

/** What is the matter with the connection or the last action. A list that could not be had says so in its own place. */
function notice({ snapshot, words }: View, acts: Acts): TemplateResult | typeof nothing {
  const { texts } = words;
  if (snapshot.link === 'refused') {
    return html`<div class="bar bad" part="notice">${warningIcon}<span>${texts.signedOut}</span>${retryButton(texts.retry, acts)}</div>`;
  }
  if (snapshot.link === 'offline') {
    return html`<div class="bar" part="notice">${offlineIcon}<span>${texts.offline}</span>${retryButton(texts.retry, acts)}</div>`;
  }
  if (snapshot.fault === null || snapshot.list === 'error') return nothing;
  return html`<div class="bar bad" part="notice">${warningIcon}<span>${words.ofFault(snapshot.fault)}</span></div>`;
}

function undoBar({ snapshot, words, dismissed }: View, acts: Acts): TemplateResult | typeof nothing {
  const { undoable } = snapshot;
  if (undoable === null || keyOf(undoable) === dismissed) return nothing;
  const { texts } = words;
  return html`
    <div class="bar undo" part="undo-bar">
      <span>${words.ofAct(undoable)}</span>
      <button type="button" class="text-button" part="undo" @click=${acts.undo}>${texts.undo}</button>
      <button
        type="button"
        class="icon-button"
        part="dismiss"
        title=${texts.dismiss}
        aria-label=${texts.dismiss}
        @click=${acts.dismiss}
      >
        ${closeIcon}
      </button>
    </div>
  `;
}

const skeleton = (count: number, texts: Texts) => html`
  <div class="skeletons" part="loading">
    <span class="hidden">${texts.loading}</span>
    ${Array.from({ length: count }, () => html`<div class="skeleton" aria-hidden="true"><i></i><i></i><i></i></div>`)}
  </div>
`;

function empty({ snapshot, words }: View): TemplateResult {
  const [headline, hint] = emptyTexts(words.texts, snapshot.filter);
  return html`<div class="state" part="empty">${bellIcon}<strong>${headline}</strong><span>${hint}</span></div>`;
}

function failed({ snapshot, words }: View, acts: Acts): TemplateResult {
  const { texts } = words;
  return html`
    <div class="state" part="error">
      ${warningIcon}<strong>${words.ofFault(snapshot.fault)}</strong>${retryButton(texts.retry, acts)}
    </div>
  `;
}

function items(view: View, acts: Acts): TemplateResult {
  const { snapshot, words, now, current, expanded, scrolls } = view;
  const more = snapshot.loadingMore
    ? skeleton(2, words.texts)
    : snapshot.hasMore && (!scrolls || snapshot.fault !== null)
      ? html`<button type="button" class="text-button more" part="load-more" @click=${acts.loadMore}>
          ${words.texts.loadMore}
        </button>`
      : nothing;
  return html`
    <ul role="list" part="items" aria-label=${words.texts.title}>
      ${repeat(
        snapshot.items,
        (item) => item.id,
        // Whatever happens, of a thousand items only those are rendered that it concerns.
        (item) => guard([item, words, now, current === item.id, expanded.has(item.id)], () => itemTemplate(item, view, acts)),
      )}
    </ul>
    ${more}
    <div id="end" class="end" aria-hidden="true"></div>
  `;
}

function list(view: View, acts: Acts): TemplateResult {
  const { snapshot, words } = view;
  if (snapshot.items.length > 0) return items(view, acts);
  if (snapshot.list === 'error') return failed(view, acts);
  return snapshot.list === 'loading' ? skeleton(SKELETONS, words.texts) : empty(view);
}

/** All that opens when the bell is pressed. */
export function panelTemplate(view: View, acts: Acts): TemplateResult {
  const { filter, list: state } = view.snapshot;
  const selected = filter.archived ? 'archived' : filter.unread ? 'unread' : 'all';
  return html`
    <div
      id="panel"
      class="panel"
      part="panel"
      popover="auto"
      role="dialog"
      aria-label=${view.words.texts.title}
      tabindex="-1"
      @beforetoggle=${acts.toggling}
      @toggle=${acts.toggled}
      @keydown=${acts.keyOnPanel}
    >
      ${header(view, acts)} ${notice(view, acts)}
      <div
        id="list"
        class="list"
        part="list"
        role="tabpanel"
        aria-labelledby="tab-${selected}"
        aria-busy=${state === 'loading'}
      >
        ${view.open ? list(view, acts) : nothing}
      </div>
      ${undoBar(view, acts)}
    </div>
  `;
}
