/** The module that pages load: defines `<notification-inbox>`, and gives what typed code needs around it. */
import { NotificationInbox } from './element';

export { NotificationInbox };
export { english, type Shown, type Texts } from './texts';
export type { Count, Fault, Filter, InboxStore, Item, Link, Snapshot, Undoable } from './types';

// A page may load it twice, from two places.
if (!customElements.get('notification-inbox')) customElements.define('notification-inbox', NotificationInbox);

declare global {
  interface HTMLElementTagNameMap {
    'notification-inbox': NotificationInbox;
  }
}
