/** Title, message, category: what the form offers, one after the other. */
export const SAMPLES: readonly (readonly [string, string, string])[] = [
  ['Your parcel is on its way', 'It left the depot this morning and should be with you by tomorrow noon.', 'orders'],
  ['Your invoice was paid', 'Thank you! The receipt is in your account.', 'billing'],
  ['A new sign-in', 'Firefox on Linux, a minute ago. If that was not you, change your password now.', 'security'],
  ['Ada left a comment', '“This is good. Can we ship it on Thursday?”', ''],
];
