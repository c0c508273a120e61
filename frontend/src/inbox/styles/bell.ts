import { css } from 'lit';

/** The bell and its number. */
export const bell = css`
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
