// Documents as an application written with Relay has them. Relay's compiler reads them and writes what relay.ts runs;
// they are not called themselves (Relay's Babel plugin would put the compiled ones in their place).
import { graphql } from 'relay-runtime';

export const item = () => graphql`
  fragment Inbox_item on Notification @refetchable(queryName: "InboxItemRefetchQuery") {
    title
    status
    metadata
    deliveredAt
    readAt
    version
  }
`;

export const user = () => graphql`
  fragment Inbox_user on User
  @refetchable(queryName: "InboxPaginationQuery")
  @argumentDefinitions(count: { type: "Int", defaultValue: 2 }, cursor: { type: "String" }) {
    userId
    unreadCount
    inbox(first: $count, after: $cursor) @connection(key: "Inbox_inbox") {
      edges {
        cursor
        node {
          id
          ...Inbox_item
        }
      }
    }
  }
`;

// Both directions, on the root.
export const everything = () => graphql`
  fragment Inbox_everything on Query
  @refetchable(queryName: "InboxEverythingQuery")
  @argumentDefinitions(
    first: { type: "Int" }
    after: { type: "String" }
    last: { type: "Int" }
    before: { type: "String" }
    userId: { type: "String" }
  ) {
    notifications(first: $first, after: $after, last: $last, before: $before, userId: $userId)
      @connection(key: "Inbox_notifications", filters: ["userId"]) {
      edges {
        node {
          id
          ...Inbox_item
        }
      }
    }
  }
`;

export const query = () => graphql`
  query InboxQuery($id: ID!) {
    user(id: $id) {
      id
      ...Inbox_user
    }
  }
`;

export const create = () => graphql`
  mutation InboxCreateMutation($input: CreateNotificationInput!, $connections: [ID!]!) {
    createNotification(input: $input) {
      idempotencyReplayed
      notification @prependNode(connections: $connections, edgeTypeName: "NotificationEdge") {
        id
        ...Inbox_item
      }
    }
  }
`;

export const read = () => graphql`
  mutation InboxMarkReadMutation($input: MarkReadInput!) {
    markRead(input: $input) {
      notification {
        id
        ...Inbox_item
      }
    }
  }
`;

export const remove = () => graphql`
  mutation InboxDeleteMutation($input: DeleteNotificationInput!, $connections: [ID!]!) {
    deleteNotification(input: $input) {
      notificationId @deleteEdge(connections: $connections)
    }
  }
`;

export const events = () => graphql`
  subscription InboxEventsSubscription($userId: String!, $after: String) {
    inboxEvents(userId: $userId, after: $after) {
      kind
      cursor
      unreadCount
      notification {
        id
        ...Inbox_item
      }
      upTo {
        deliveredAt
        id
      }
    }
  }
`;
