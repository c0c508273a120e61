import { html, svg } from 'lit';

const icon = (shape: unknown) => html`<svg viewBox="0 0 24 24" aria-hidden="true" focusable="false">${shape}</svg>`;

export const bellIcon = icon(svg`<path d="M6 9.5a6 6 0 0 1 12 0c0 5 2 6.5 2 6.5H4s2-1.5 2-6.5" /><path d="M10 19.5a2.2 2.2 0 0 0 4 0" />`);
export const closeIcon = icon(svg`<path d="M6 6l12 12M18 6L6 18" />`);
/** An envelope that was opened. */
export const readIcon = icon(svg`<path d="M4 10v9h16v-9l-8-5.5z" /><path d="M4 10.5l8 5 8-5" />`);
export const unreadIcon = icon(svg`<path d="M4 6.5h16v11H4z" /><path d="M4 7l8 6 8-6" />`);
export const archiveIcon = icon(svg`<path d="M4 5h16v4H4zM5.5 9v10h13V9M10 13h4" />`);
export const unarchiveIcon = icon(svg`<path d="M4 13.5V19h16v-5.5h-4.5l-1 2.5h-5l-1-2.5zM12 4v8M8.5 7.5L12 4l3.5 3.5" />`);
export const doneIcon = icon(svg`<path d="M3 12.5l4.5 4.5L17 7M12.5 16l1 1L22 8" />`);
export const offlineIcon = icon(svg`<path d="M4 4l16 16M8.5 13.5a5 5 0 0 1 5-1M5 10a10 10 0 0 1 3.5-2.2M12.5 7A10 10 0 0 1 19 10M12 17.5v.1" />`);
export const warningIcon = icon(svg`<path d="M12 4.5L21 19H3zM12 10v4M12 16.5v.1" />`);
