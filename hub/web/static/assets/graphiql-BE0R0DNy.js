import{a as e,c as t,i as n,l as r,n as i,o as a,r as o,s,t as c}from"./explorer-B4spWaRM.js";import{n as l,r as u,t as d}from"./notification_events-B4vXV370.js";var f=`mutation ArchiveNotification($input: ArchiveNotificationInput!) {
  archiveNotification(input: $input) {
    notification {
      id
      readAt
      seenAt
      archivedAt
      updatedAt
      version
    }
  }
}
`,p=`# What an inbox page shows: the items, and what the bell says unless it is known already, in one request.
query Inbox(
  $userId: ID!
  $first: Int = 20
  $after: String
  $unread: Boolean
  $category: String
  $archived: Boolean
  $counts: Boolean! = true
) {
  user(id: $userId) {
    id
    userId
    inboxCounts @include(if: $counts) {
      unread
      unreadCapped
      unseen
      unseenCapped
    }
    inbox(first: $first, after: $after, unread: $unread, category: $category, archived: $archived) {
      edges {
        cursor
        node {
          id
          title
          message
          category
          deliveredAt
          updatedAt
          readAt
          seenAt
          archivedAt
          version
        }
      }
      pageInfo {
        hasNextPage
        endCursor
      }
    }
  }
}
`,m=`# What a bell shows, with as many numbers by category as are asked for (at most 20).
query InboxCounts($userId: ID!, $categories: [String!]) {
  user(id: $userId) {
    inboxCounts(categories: $categories) {
      unread
      unreadCapped
      unseen
      unseenCapped
      categories {
        category
        unread
        unreadCapped
        unseen
        unseenCapped
      }
    }
  }
}
`,h=`# Keep the cursor of the last event and pass it as $after on every reconnection. On RESYNC read the inbox afresh.
# ALL_READ and ALL_SEEN mark what is up to upTo, of the category, and was not updated after markedAt.
subscription InboxEvents($userId: String!, $after: String) {
  inboxEvents(userId: $userId, after: $after) {
    kind
    cursor
    unreadCount
    unreadCountCapped
    unseenCount
    unseenCountCapped
    notification {
      id
      title
      message
      category
      status
      deliveredAt
      updatedAt
      readAt
      seenAt
      archivedAt
      version
    }
    upTo {
      deliveredAt
      id
    }
    category
    markedAt
  }
}
`,g=`# upTo: the cursor of the newest item on screen, so that what arrives meanwhile stays unread. operationId undoes it.
mutation MarkAllRead($input: MarkAllReadInput!) {
  markAllRead(input: $input) {
    count
    operationId
  }
}
`,_=`# upTo: the cursor of the newest item on screen, so that what arrives meanwhile stays unseen. operationId undoes it.
mutation MarkAllSeen($input: MarkAllSeenInput!) {
  markAllSeen(input: $input) {
    count
    operationId
  }
}
`,v=`mutation MarkRead($input: MarkReadInput!) {
  markRead(input: $input) {
    notification {
      id
      status
      readAt
      seenAt
      archivedAt
      updatedAt
      version
    }
  }
}
`,y=`mutation MarkUnread($input: MarkUnreadInput!) {
  markUnread(input: $input) {
    notification {
      id
      status
      readAt
      seenAt
      archivedAt
      updatedAt
      version
    }
  }
}
`,b=`mutation UnarchiveNotification($input: UnarchiveNotificationInput!) {
  unarchiveNotification(input: $input) {
    notification {
      id
      readAt
      seenAt
      archivedAt
      updatedAt
      version
    }
  }
}
`,x=`# Within ten minutes. Streams tell of it by RESYNC.
mutation UndoMarkAll($input: UndoMarkAllInput!) {
  undoMarkAll(input: $input) {
    count
  }
}
`,S=o(),C=Object.assign({"../../graphql/operations/archive_notification.graphql":f,"../../graphql/operations/audit_entries.graphql":`# Who did what, newest first; \`after\` goes on where a page ended.
query AuditEntries($first: Int = 20, $after: String) {
  auditEntries(first: $first, after: $after) {
    edges {
      node {
        entryId
        at
        actor
        action
        subject
        correlationId
        result
      }
    }
    pageInfo {
      hasNextPage
      endCursor
    }
  }
}
`,"../../graphql/operations/create_key.graphql":`# Makes a key for a caller; \`secret\` is what it sends, and is shown this once.
mutation CreateKey($input: CreateKeyInput!) {
  createKey(input: $input) {
    key {
      keyId
      name
      scopes
      environment
      expiresAt
    }
    secret
  }
}
`,"../../graphql/operations/create_notification.graphql":u,"../../graphql/operations/create_notifications.graphql":`# Up to 1,000, each by itself: repeat those with an error, or all of them with the same idempotency keys.
mutation CreateNotifications($input: CreateNotificationsInput!) {
  createNotifications(input: $input) {
    results {
      index
      idempotencyReplayed
      notification {
        id
        status
        createdAt
        version
      }
      error {
        code
        reason
        message
        violations {
          field
          message
        }
        metadata
      }
    }
  }
}
`,"../../graphql/operations/dead_letters.graphql":`# $reason is the code of \`statusReason\`, such as RETRIES_EXHAUSTED.
query DeadLetters($first: Int = 20, $after: String, $type: String, $reason: String, $createdAfter: DateTime) {
  deadLetters(first: $first, after: $after, type: $type, reason: $reason, createdAfter: $createdAfter) {
    edges {
      cursor
      node {
        id
        userId
        type
        statusReason {
          code
          message
        }
        attempts {
          number
          provider
          outcome
          finishedAt
          error {
            code
            message
          }
        }
        updatedAt
      }
    }
    pageInfo {
      hasNextPage
      endCursor
    }
  }
}
`,"../../graphql/operations/delete_notification.graphql":`# For good, whatever its status; what waits is never sent.
mutation DeleteNotification($input: DeleteNotificationInput!) {
  deleteNotification(input: $input) {
    notificationId
  }
}
`,"../../graphql/operations/delete_user.graphql":`# {"userId": "…"}: everything the hub knows of the user goes, for good. May be repeated.
mutation DeleteUser($input: DeleteUserInput!) {
  deleteUser(input: $input) {
    notifications
    cancelled
    keys
    contactPoints
  }
}
`,"../../graphql/operations/get_node.graphql":`# A notification's id is its node id; a user's is "user:" and the user id.
query GetNode($id: ID!) {
  node(id: $id) {
    __typename
    id
    ... on Notification {
      status
      version
    }
    ... on User {
      userId
      unreadCount
    }
  }
}
`,"../../graphql/operations/get_notification.graphql":`query GetNotification($id: ID!) {
  notification(id: $id) {
    id
    userId
    title
    message
    type
    html
    to
    metadata
    priority
    category
    status
    statusReason {
      code
      message
    }
    attempts {
      number
      provider
      providerId
      startedAt
      finishedAt
      outcome
      error {
        code
        message
      }
    }
    scheduledAt
    expiresAt
    nextAttemptAt
    createdAt
    updatedAt
    sentAt
    deliveredAt
    readAt
    version
  }
}
`,"../../graphql/operations/get_user.graphql":`# All but the ids are null for a user without a record: one who is notified need not have one.
query GetUser($userId: ID!) {
  user(id: $userId) {
    id
    userId
    contactPoints
    locale
    timezone
    createdAt
    updatedAt
  }
}
`,"../../graphql/operations/health.graphql":`# Without a credential only the status is told; this is all that may be asked without one.
query Health {
  health {
    status
    version
    processes {
      id
      role
      version
      startedAt
      beatAt
      lagMs
    }
    components {
      name
      status
      detail
    }
    channels {
      type
      status
      workers
      lastOutcome
      lastAttemptAt
    }
    oldestDueSeconds
  }
}
`,"../../graphql/operations/inbox.graphql":p,"../../graphql/operations/inbox_counts.graphql":m,"../../graphql/operations/inbox_events.graphql":h,"../../graphql/operations/issue_user_token.graphql":l,"../../graphql/operations/keys.graphql":`# Every key of the tenant, those that ended lately included.
query Keys {
  keys {
    keyId
    name
    scopes
    environment
    createdAt
    createdBy
    expiresAt
    revokedAt
    lastUsedAt
  }
}
`,"../../graphql/operations/list_notifications.graphql":`# The next page: pass pageInfo.endCursor as $after, with the same filter.
query ListNotifications(
  $first: Int = 20
  $after: String
  $status: NotificationStatus
  $type: String
  $category: String
  $unread: Boolean
  $archived: Boolean
  $userId: String
  $createdAfter: DateTime
  $createdBefore: DateTime
  $reason: String
) {
  notifications(
    first: $first
    after: $after
    status: $status
    type: $type
    category: $category
    unread: $unread
    archived: $archived
    userId: $userId
    createdAfter: $createdAfter
    createdBefore: $createdBefore
    reason: $reason
  ) {
    edges {
      cursor
      node {
        id
        userId
        title
        type
        status
        createdAt
      }
    }
    pageInfo {
      hasNextPage
      hasPreviousPage
      startCursor
      endCursor
    }
  }
}
`,"../../graphql/operations/list_user_notifications.graphql":`# A user's whole history: every channel, every status.
query ListUserNotifications($userId: ID!, $first: Int = 20, $after: String, $type: String) {
  user(id: $userId) {
    id
    notifications(first: $first, after: $after, type: $type) {
      edges {
        cursor
        node {
          id
          title
          type
          status
          createdAt
        }
      }
      pageInfo {
        hasNextPage
        endCursor
      }
    }
  }
}
`,"../../graphql/operations/mark_all_read.graphql":g,"../../graphql/operations/mark_all_seen.graphql":_,"../../graphql/operations/mark_read.graphql":v,"../../graphql/operations/mark_seen.graphql":`mutation MarkSeen($input: MarkSeenInput!) {
  markSeen(input: $input) {
    notification {
      id
      seenAt
      version
    }
  }
}
`,"../../graphql/operations/mark_unread.graphql":y,"../../graphql/operations/mark_unseen.graphql":`mutation MarkUnseen($input: MarkUnseenInput!) {
  markUnseen(input: $input) {
    notification {
      id
      seenAt
      readAt
      version
    }
  }
}
`,"../../graphql/operations/notification_events.graphql":d,"../../graphql/operations/purge_dead_letters.graphql":`# Deletes for good. {"ids": ["…"]} or {"filter": {"createdBefore": "2030-01-31T08:00:00Z"}}.
mutation PurgeDeadLetters($input: PurgeDeadLettersInput!) {
  purgeDeadLetters(input: $input) {
    count
  }
}
`,"../../graphql/operations/replay_dead_letters.graphql":`# {"ids": ["…"]} or {"filter": {"type": "email"}}; with "dryRun": true it only counts.
mutation ReplayDeadLetters($input: ReplayDeadLettersInput!) {
  replayDeadLetters(input: $input) {
    count
  }
}
`,"../../graphql/operations/revoke_key.graphql":`# Ends a key now; may be repeated.
mutation RevokeKey($input: RevokeKeyInput!) {
  revokeKey(input: $input) {
    key {
      keyId
      revokedAt
    }
  }
}
`,"../../graphql/operations/rotate_key.graphql":`# Makes a key like another one, which goes on for the overlap and then ends.
mutation RotateKey($input: RotateKeyInput!) {
  rotateKey(input: $input) {
    key {
      keyId
      name
      expiresAt
    }
    secret
  }
}
`,"../../graphql/operations/statistics.graphql":`# The last 24 hours, unless $from and $to say otherwise.
query Statistics(
  $from: DateTime
  $to: DateTime
  $bucket: StatisticsBucket = HOUR
  $type: String
  $category: String
  $status: NotificationStatus
) {
  statistics(from: $from, to: $to, bucket: $bucket, type: $type, category: $category, status: $status) {
    from
    to
    bucket
    rows {
      start
      type
      category
      status
      count
    }
    channels {
      type
      settled
      failed
      failureRate
      attempts
      p50Ms
      p95Ms
      p99Ms
    }
  }
}
`,"../../graphql/operations/unarchive_notification.graphql":b,"../../graphql/operations/undo_mark_all.graphql":x,"../../graphql/operations/unread_count.graphql":`query UnreadCount($userId: ID!) {
  user(id: $userId) {
    unreadCount
    unreadCountCapped
  }
}
`,"../../graphql/operations/update_notification_status.graphql":`# For example {"id": "…", "status": "CANCELLED"} while it has not been sent.
mutation UpdateNotificationStatus($input: UpdateNotificationStatusInput!) {
  updateNotificationStatus(input: $input) {
    notification {
      id
      status
      statusReason {
        code
        message
      }
      version
    }
  }
}
`,"../../graphql/operations/update_user.graphql":`# Replaces the record: {"userId": "…", "contactPoints": {"email": "…", "phone": "+15550100"}, "locale": "en"}.
mutation UpdateUser($input: UpdateUserInput!) {
  updateUser(input: $input) {
    user {
      id
      userId
      contactPoints
      locale
      timezone
      createdAt
      updatedAt
    }
  }
}
`}),w={CreateNotification:{input:{userId:`user123`,title:`Welcome!`,message:`Welcome to our platform`,type:`in_app`,metadata:{priority:`high`,category:`welcome`}}},CreateNotifications:{input:{notifications:[{userId:`user123`,title:`Welcome!`,message:`Welcome to our platform`,type:`in_app`},{userId:`user456`,title:`Welcome!`,message:`Welcome to our platform`,type:`email`}]}},CreateKey:{input:{name:`shop`,scopes:[`notifications:write`]}},DeleteUser:{input:{userId:`user123`}},IssueUserToken:{input:{userId:`user123`,lifetimeSeconds:900}},MarkAllRead:{input:{userId:`user123`}},MarkAllSeen:{input:{userId:`user123`}},PurgeDeadLetters:{input:{filter:{createdBefore:`2020-01-31T08:00:00Z`}}},ReplayDeadLetters:{input:{filter:{type:`email`},dryRun:!0}},RevokeKey:{input:{keyId:`the id of a key`}},RotateKey:{input:{keyId:`the id of a key`,overlapSeconds:3600}},UndoMarkAll:{input:{userId:`user123`,operationId:`what marking all answered`}},UpdateUser:{input:{userId:`user123`,contactPoints:{email:`user123@example.test`},locale:`en`,timezone:`Europe/Berlin`}},UpdateNotificationStatus:{input:{id:`the id of a notification`,status:`CANCELLED`}}},T=[`CreateNotification`,`InboxEvents`,`Inbox`,`ListNotifications`];function E({variable:e,type:t,defaultValue:n}){if(!(t.kind!==r.NON_NULL_TYPE||n))return e.name.value===`userId`?`user123`:e.name.value===`input`?{id:`the id of a notification`}:`the id of a notification`}function D(e){let n=t(e).definitions.find(({kind:e})=>e===r.OPERATION_DEFINITION),i=n.name.value,a=n.variableDefinitions??[],o=Object.fromEntries(a.map(e=>[e.variable.name.value,E(e)]));return{name:i,kind:n.operation,query:e,variables:JSON.stringify(w[i]??o,null,2)}}var O=Object.values(C).map(D).sort((e,t)=>e.name<t.name?-1:1),k=T.map(e=>O.find(t=>t.name===e)).map(({query:e,variables:t})=>({query:e,variables:t})),A=`/assets/icon-pmz_7LJA.svg`,j=a(),M=900,N={query:`Queries`,mutation:`Mutations`,subscription:`Subscriptions`},P={title:`Examples`,icon:I,content:F};function F(){let{addTab:t}=e(),{queryEditor:r,variableEditor:i}=n(({queryEditor:e,variableEditor:t})=>({queryEditor:e,variableEditor:t})),a=({query:e,variables:n})=>{t(),r?.setValue(e),i?.setValue(n)};return(0,j.jsxs)(j.Fragment,{children:[(0,j.jsx)(`div`,{className:`examples-title`,children:`Examples`}),Object.entries(N).map(([e,t])=>(0,j.jsxs)(`ul`,{className:`examples`,children:[(0,j.jsx)(`h3`,{children:t}),O.filter(t=>t.kind===e).map(e=>(0,j.jsx)(`li`,{children:(0,j.jsx)(`button`,{type:`button`,onClick:()=>a(e),children:e.name})},e.name))]},e))]})}function I(){return(0,j.jsx)(`svg`,{viewBox:`0 0 24 24`,fill:`none`,stroke:`currentColor`,strokeWidth:`1.5`,"aria-hidden":`true`,children:(0,j.jsx)(`path`,{d:`M8 6h12M8 12h12M8 18h12M3.5 6h.01M3.5 12h.01M3.5 18h.01`,strokeLinecap:`round`})})}localStorage.getItem(`graphiql:tabState`)===null&&(localStorage.setItem(`graphiql:query`,k[0].query),localStorage.setItem(`graphiql:variables`,k[0].variables),localStorage.setItem(`graphiql:docExplorerFlex`,`0.22`));var L=new URL(`/graphql`,location.href);L.protocol=L.protocol===`https:`?`wss:`:`ws:`;var R=s({url:`/graphql`,subscriptionUrl:L.href,enableIncrementalDelivery:!1});(0,S.createRoot)(document.getElementById(`graphiql`)).render((0,j.jsx)(c,{fetcher:R,customScalarSchemas:{JSON:{type:`object`}},plugins:[P,i],visiblePlugin:innerWidth<M?void 0:P.title,defaultTabs:k,defaultEditorToolsVisibility:`variables`,shouldPersistHeaders:!1,showPersistHeadersSettings:!1,children:(0,j.jsx)(c.Logo,{children:(0,j.jsxs)(`a`,{className:`home`,href:`/`,children:[(0,j.jsx)(`img`,{src:A,alt:``}),`Notification hub`]})})}));