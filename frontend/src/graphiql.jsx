import { createGraphiQLFetcher } from '@graphiql/toolkit';
import { useGraphiQL, useGraphiQLActions } from '@graphiql/react';
import { GraphiQL, HISTORY_PLUGIN } from 'graphiql';
import 'graphiql/setup-workers/vite';
import '@graphiql/plugin-doc-explorer/style.css';
import '@graphiql/plugin-history/style.css';
// Not graphiql/style.css: that repeats Monaco's styles and brings fonts of half a megabyte.
import '@graphiql/react/style.css';
import 'graphiql/graphiql.css';
import { createRoot } from 'react-dom/client';
import { examples, firstTabs } from './examples.js';
import './graphiql.css';
import icon from './icon.svg';

/** In a window narrower than this (CSS pixels) the editor needs all of it. */
const NARROW = 900;
const KINDS = { query: 'Queries', mutation: 'Mutations', subscription: 'Subscriptions' };

/** A panel with every document in graphql/operations; each opens in a tab of its own. */
const EXAMPLES_PLUGIN = { title: 'Examples', icon: ExamplesIcon, content: Examples };

function Examples() {
  const { addTab } = useGraphiQLActions();
  const { queryEditor, variableEditor } = useGraphiQL(({ queryEditor, variableEditor }) => ({
    queryEditor,
    variableEditor,
  }));
  const open = ({ query, variables }) => {
    addTab();
    queryEditor?.setValue(query);
    variableEditor?.setValue(variables);
  };
  return (
    <>
      <div className="examples-title">Examples</div>
      {Object.entries(KINDS).map(([kind, title]) => (
        <ul className="examples" key={kind}>
          <h3>{title}</h3>
          {examples
            .filter((example) => example.kind === kind)
            .map((example) => (
              <li key={example.name}>
                <button type="button" onClick={() => open(example)}>
                  {example.name}
                </button>
              </li>
            ))}
        </ul>
      ))}
    </>
  );
}

function ExamplesIcon() {
  return (
    <svg viewBox="0 0 24 24" fill="none" stroke="currentColor" strokeWidth="1.5" aria-hidden="true">
      <path d="M8 6h12M8 12h12M8 18h12M3.5 6h.01M3.5 12h.01M3.5 18h.01" strokeLinecap="round" />
    </svg>
  );
}

// What GraphiQL keeps of a visit, it keeps under these names. Left to itself it would open the first tab without its
// variables, and give a third of the window to the panel.
if (localStorage.getItem('graphiql:tabState') === null) {
  localStorage.setItem('graphiql:query', firstTabs[0].query);
  localStorage.setItem('graphiql:variables', firstTabs[0].variables);
  localStorage.setItem('graphiql:docExplorerFlex', '0.22');
}

const socketUrl = new URL('/graphql', location.href);
socketUrl.protocol = socketUrl.protocol === 'https:' ? 'wss:' : 'ws:';
const fetcher = createGraphiQLFetcher({
  url: '/graphql',
  // What the headers editor holds goes into the payload of connection_init.
  subscriptionUrl: socketUrl.href,
  enableIncrementalDelivery: false,
});

createRoot(document.getElementById('graphiql')).render(
  <GraphiQL
    fetcher={fetcher}
    // What the hub calls JSON is an object (metadata); the editor would take any value but that.
    customScalarSchemas={{ JSON: { type: 'object' } }}
    plugins={[EXAMPLES_PLUGIN, HISTORY_PLUGIN]}
    visiblePlugin={innerWidth < NARROW ? undefined : EXAMPLES_PLUGIN.title}
    defaultTabs={firstTabs}
    defaultEditorToolsVisibility="variables"
    shouldPersistHeaders={false}
    showPersistHeadersSettings={false}
  >
    <GraphiQL.Logo>
      <a className="home" href="/">
        <img src={icon} alt="" />
        Notification hub
      </a>
    </GraphiQL.Logo>
  </GraphiQL>,
);
