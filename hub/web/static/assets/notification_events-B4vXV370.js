var e=`# Repeat it with the same idempotencyKey as often as you like: it is sent once.
mutation CreateNotification($input: CreateNotificationInput!) {
  createNotification(input: $input) {
    idempotencyReplayed
    notification {
      id
      status
      createdAt
      version
    }
  }
}
`,t=`# A token for a browser: it opens one user's inbox, for a short while.
mutation IssueUserToken($input: IssueUserTokenInput!) {
  issueUserToken(input: $input) {
    token
    expiresAt
  }
}
`,n=`subscription NotificationEvents($id: ID!) {
  notificationEvents(id: $id) {
    kind
    cursor
    notification {
      id
      status
      statusReason {
        code
        message
      }
      nextAttemptAt
      version
    }
  }
}
`;export{t as n,e as r,n as t};