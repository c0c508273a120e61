"""What a browser sees at the endpoint. GraphiQL, built and served by the hub itself, takes its place."""

from __future__ import annotations

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Notification hub: GraphQL</title>
</head>
<body>
<h1>GraphQL</h1>
<p>This is the GraphQL endpoint of the notification hub. Send queries and mutations by <code>POST</code> as
<code>application/json</code>; open subscriptions as a WebSocket with the subprotocol
<code>graphql-transport-ws</code>, or by <code>Accept: text/event-stream</code>.</p>
<p>The REST interface is described at <a href="/docs">/docs</a>.</p>
</body>
</html>
"""
