import { css } from 'lit';

/** What a page may set; everything else follows from it. Colours reach AA contrast (WCAG 2.2, 1.4.3) in both schemes. */
const theme = css`
  :host {
    --_accent: var(--inbox-accent, light-dark(#1d5fbf, #7db1ff));
    --_surface: var(--inbox-surface, light-dark(#fff, #1d2027));
    --_raised: var(--inbox-raised, light-dark(#eef1f5, #2a2e38));
    --_unread: var(--inbox-unread, light-dark(#f1f6fe, #212a39));
    --_text: var(--inbox-text, light-dark(#1a1e26, #e8ebf0));
    --_soft: var(--inbox-soft, light-dark(#566070, #a4aebe));
    --_line: var(--inbox-line, light-dark(#d8dce3, #363b45));
    --_bad: var(--inbox-bad, light-dark(#b3261e, #ff8f85));
    --_badge: var(--inbox-badge, light-dark(#c3261c, #d13438));
    --_badge-text: var(--inbox-badge-text, light-dark(#fff, #fff));
    --_radius: var(--inbox-radius, 0.75rem);
    --_shadow: var(--inbox-shadow, 0 0.75rem 2.5rem light-dark(rgb(20 30 50 / 18%), rgb(0 0 0 / 55%)));
    display: inline-block;
    position: relative;
    color: inherit;
    font: var(--inbox-font, 1rem / 1.45 system-ui, sans-serif);
  }

  :host([hidden]) {
    display: none;
  }

  :host([theme='light']) {
    color-scheme: light;
  }

  :host([theme='dark']) {
    color-scheme: dark;
  }

  :host([theme='auto']) {
    color-scheme: light dark;
  }

  * {
    box-sizing: border-box;
  }

  .hidden {
    position: absolute;
    width: 1px;
    height: 1px;
    margin: -1px;
    overflow: hidden;
    clip-path: inset(50%);
    white-space: nowrap;
  }

  svg {
    flex: none;
    width: 1.25rem;
    height: 1.25rem;
    fill: none;
    stroke: currentColor;
    stroke-width: 1.7;
    stroke-linecap: round;
    stroke-linejoin: round;
  }

  button,
  select {
    margin: 0;
    padding: 0;
    border: 0;
    background: none;
    color: inherit;
    font: inherit;
  }

  button {
    cursor: pointer;
  }

  :focus-visible {
    outline: 2px solid var(--_accent);
    outline-offset: 2px;
  }
`;

const bell = css`
  .bell {
    position: relative;
    display: inline-grid;
    place-items: center;
    width: var(--inbox-bell-size, 2.75rem);
    height: var(--inbox-bell-size, 2.75rem);
    border-radius: 50%;
    color: var(--inbox-bell, inherit);
  }

  .bell svg {
    width: 58%;
    height: 58%;
  }

  .bell:hover,
  .bell[aria-expanded='true'] {
    background: color-mix(in srgb, currentColor 10%, transparent);
  }

  .badge {
    position: absolute;
    inset-block-start: -0.1rem;
    /* A short number hangs beside the bell, a long one grows over it, and never over what stands next to it. */
    inset-inline-end: 0;
    min-width: 1.25rem;
    padding: 0 0.3rem;
    border: 1px solid transparent;
    border-radius: 1rem;
    background: var(--_badge);
    color: var(--_badge-text);
    font-size: 0.72rem;
    font-weight: 650;
    line-height: 1.15rem;
    text-align: center;
    white-space: nowrap;
  }

  .away {
    position: absolute;
    inset-block-end: 0.35rem;
    inset-inline-end: 0.35rem;
    width: 0.65rem;
    height: 0.65rem;
    border: 2px solid var(--_soft);
    border-radius: 50%;
    background: var(--_surface);
  }
`;

const panel = css`
  .panel {
    position: fixed;
    inset: auto;
    flex-direction: column;
    width: min(var(--inbox-width, 26rem), 100vw - 1rem);
    max-width: none;
    margin: 0;
    padding: 0;
    overflow: hidden;
    border: 1px solid var(--_line);
    border-radius: var(--_radius);
    background: var(--_surface);
    box-shadow: var(--_shadow);
    color: var(--_text);
    text-align: start;
  }

  .panel:popover-open {
    display: flex;
  }

  .panel:focus-visible {
    outline: none;
  }

  .header,
  .filters,
  .bar {
    display: flex;
    flex: none;
    gap: 0.35rem;
    align-items: center;
    padding-inline: 1rem 0.6rem;
  }

  .header {
    padding-block: 0.6rem 0.25rem;
  }

  h2 {
    flex: 1;
    margin: 0;
    font-size: 1.1rem;
    line-height: 1.3;
  }

  .icon-button {
    display: inline-grid;
    flex: none;
    place-items: center;
    width: 2rem;
    height: 2rem;
    border-radius: 0.5rem;
    color: var(--_soft);
  }

  .icon-button:hover,
  .text-button:hover {
    background: var(--_raised);
    color: var(--_text);
  }

  .text-button {
    display: inline-flex;
    gap: 0.35rem;
    align-items: center;
    min-height: 2rem;
    padding: 0.2rem 0.55rem;
    border-radius: 0.5rem;
    color: var(--_accent);
    font-size: 0.875rem;
    font-weight: 550;
  }

  .text-button svg {
    width: 1.05rem;
    height: 1.05rem;
  }

  .text-button[aria-disabled='true'] {
    background: none;
    color: var(--_soft);
    cursor: default;
    opacity: 0.7;
  }

  .filters {
    flex-wrap: wrap;
    justify-content: space-between;
    padding-inline-start: 0.75rem;
    border-block-end: 1px solid var(--_line);
  }

  .tabs {
    display: flex;
    gap: 0.15rem;
  }

  .tab {
    padding: 0.55rem 0.5rem 0.5rem;
    border-block-end: 2px solid transparent;
    color: var(--_soft);
    font-size: 0.9rem;
    font-weight: 550;
    white-space: nowrap;
  }

  .tab:hover {
    color: var(--_text);
  }

  .tab[aria-selected='true'] {
    border-color: var(--_accent);
    color: var(--_text);
  }

  .tab:focus-visible,
  .main:focus-visible {
    border-radius: 0.4rem;
    outline-offset: -2px;
  }

  .number {
    margin-inline-start: 0.15rem;
    padding: 0 0.4rem;
    border-radius: 1rem;
    background: var(--_raised);
    color: var(--_text);
    font-size: 0.75rem;
  }

  .categories {
    max-width: 10.5rem;
    min-height: 1.9rem;
    margin-block: 0.25rem;
    padding-inline: 0.4rem;
    border: 1px solid var(--_line);
    border-radius: 0.5rem;
    background: var(--_surface);
    color: var(--_text);
    font-size: 0.85rem;
  }

  .bar {
    padding-block: 0.4rem;
    border-block-end: 1px solid var(--_line);
    background: var(--_raised);
    font-size: 0.875rem;
  }

  .bar span {
    flex: 1;
  }

  .bar.bad > svg {
    color: var(--_bad);
  }

  .undo {
    border-block: 1px solid var(--_line) 0;
  }
`;

const list = css`
  .list {
    flex: 1;
    min-height: 8rem;
    overflow-y: auto;
    overscroll-behavior: contain;
    scrollbar-width: thin;
  }

  ul {
    margin: 0;
    padding: 0;
    list-style: none;
  }

  .item {
    display: flex;
    align-items: flex-start;
    border-block-end: 1px solid var(--_line);
    /* Of a thousand items only those near the screen are laid out and painted. */
    content-visibility: auto;
    contain-intrinsic-size: auto 6rem;
  }

  .item.unread {
    background: var(--_unread);
  }

  .main {
    position: relative;
    display: grid;
    flex: 1;
    gap: 0.1rem;
    min-width: 0;
    padding-block: 0.7rem;
    padding-inline: 1.75rem 0.25rem;
    text-align: start;
  }

  .dot {
    position: absolute;
    inset-block-start: 1.1rem;
    inset-inline-start: 0.75rem;
    width: 0.5rem;
    height: 0.5rem;
    border-radius: 50%;
    background: var(--_accent);
  }

  .title,
  .message {
    overflow-wrap: anywhere;
    text-align: start;
  }

  .title {
    font-size: 0.95rem;
    line-height: 1.35;
  }

  .unread .title {
    font-weight: 650;
  }

  .message {
    display: -webkit-box;
    overflow: hidden;
    color: var(--_soft);
    font-size: 0.875rem;
    white-space: pre-line;
    -webkit-box-orient: vertical;
    -webkit-line-clamp: 3;
  }

  .message.whole {
    display: block;
  }

  .meta {
    display: flex;
    flex-wrap: wrap;
    gap: 0.15rem 0.5rem;
    align-items: center;
    margin-block-start: 0.2rem;
    color: var(--_soft);
    font-size: 0.8rem;
  }

  .category {
    max-width: 100%;
    padding: 0 0.45rem;
    overflow: hidden;
    border: 1px solid var(--_line);
    border-radius: 1rem;
    text-overflow: ellipsis;
    white-space: nowrap;
  }

  .actions {
    display: flex;
    flex: none;
    padding-block: 0.5rem;
    padding-inline-end: 0.5rem;
  }

  .item:hover,
  .item:focus-within {
    background: color-mix(in srgb, var(--_raised) 60%, var(--_surface));
  }

  .item .icon-button:hover {
    background: var(--_line);
  }

  .state {
    display: flex;
    flex-direction: column;
    gap: 0.35rem;
    align-items: center;
    padding: 2.75rem 1.5rem 3rem;
    color: var(--_soft);
    font-size: 0.9rem;
    text-align: center;
  }

  .state > svg {
    width: 2.75rem;
    height: 2.75rem;
    margin-block-end: 0.35rem;
    padding: 0.65rem;
    border-radius: 50%;
    background: var(--_raised);
  }

  .state strong {
    color: var(--_text);
    font-size: 1rem;
    font-weight: 600;
  }

  .more {
    display: flex;
    margin: 0.5rem auto;
  }

  .end {
    height: 1px;
  }

  .skeleton {
    display: grid;
    gap: 0.5rem;
    padding: 0.95rem 1.75rem;
    border-block-end: 1px solid var(--_line);
  }

  .skeleton i {
    width: 85%;
    height: 0.7rem;
    border-radius: 1rem;
    background: var(--_line);
    animation: waiting 1.4s ease-in-out infinite alternate;
  }

  .skeleton i:first-child {
    width: 45%;
  }

  .skeleton i:last-child {
    width: 20%;
  }

  @keyframes waiting {
    to {
      opacity: 0.45;
    }
  }

  @media (prefers-reduced-motion: no-preference) {
    .panel:popover-open {
      animation: opening 0.14s ease-out;
    }

    @keyframes opening {
      from {
        opacity: 0;
        transform: translateY(-0.35rem);
      }
    }
  }

  @media (prefers-reduced-motion: reduce) {
    .skeleton i {
      animation: none;
    }
  }

  @media (forced-colors: active) {
    .badge,
    .number,
    .skeleton i {
      border: 1px solid;
    }

    .dot {
      background: Highlight;
      forced-color-adjust: none;
    }

    .tab {
      border-color: Canvas;
    }

    .tab[aria-selected='true'] {
      border-color: Highlight;
    }
  }
`;

export const styles = [theme, bell, panel, list];
