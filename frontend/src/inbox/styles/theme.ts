import { css } from 'lit';

/** What a page may set; everything else follows from it. Colours reach AA contrast (WCAG 2.2, 1.4.3) in both schemes. */
export const theme = css`
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
