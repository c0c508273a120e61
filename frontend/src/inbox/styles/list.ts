import { css } from 'lit';

/** The list, whatever it shows. */
export const list = css`
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
    contain-intrinsic-size: auto 6rem;
  }

  /* Of a thousand items only those near the screen are laid out and painted. Not so those on top, among which new ones come
     in: with a height that is only guessed at first, they would push away what a reader further down looks at. */
  .item:nth-child(n + 20) {
    content-visibility: auto;
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
