import { css } from 'lit';

/** The panel, but for its list. */
export const panel = css`
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
