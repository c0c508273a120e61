/*! The notification hub's inbox. Whose work is in it: /licenses.md at the hub. */
// node_modules/@lit/reactive-element/css-tag.js
var e = globalThis, t = e.ShadowRoot && (e.ShadyCSS === void 0 || e.ShadyCSS.nativeShadow) && "adoptedStyleSheets" in Document.prototype && "replace" in CSSStyleSheet.prototype, n = Symbol(), r = /* @__PURE__ */ new WeakMap(), i = class {
	constructor(e, t, r) {
		if (this._$cssResult$ = !0, r !== n) throw Error("CSSResult is not constructable. Use `unsafeCSS` or `css` instead.");
		this.cssText = e, this.t = t;
	}
	get styleSheet() {
		let e = this.o, n = this.t;
		if (t && e === void 0) {
			let t = n !== void 0 && n.length === 1;
			t && (e = r.get(n)), e === void 0 && ((this.o = e = new CSSStyleSheet()).replaceSync(this.cssText), t && r.set(n, e));
		}
		return e;
	}
	toString() {
		return this.cssText;
	}
}, a = (e) => new i(typeof e == "string" ? e : e + "", void 0, n), o = (e, ...t) => new i(e.length === 1 ? e[0] : t.reduce((t, n, r) => t + ((e) => {
	if (!0 === e._$cssResult$) return e.cssText;
	if (typeof e == "number") return e;
	throw Error("Value passed to 'css' function must be a 'css' function result: " + e + ". Use 'unsafeCSS' to pass non-literal values, but take care to ensure page security.");
})(n) + e[r + 1], e[0]), e, n), s = (n, r) => {
	if (t) n.adoptedStyleSheets = r.map((e) => e instanceof CSSStyleSheet ? e : e.styleSheet);
	else for (let t of r) {
		let r = document.createElement("style"), i = e.litNonce;
		i !== void 0 && r.setAttribute("nonce", i), r.textContent = t.cssText, n.appendChild(r);
	}
}, c = t ? (e) => e : (e) => e instanceof CSSStyleSheet ? ((e) => {
	let t = "";
	for (let n of e.cssRules) t += n.cssText;
	return a(t);
})(e) : e, { is: l, defineProperty: u, getOwnPropertyDescriptor: d, getOwnPropertyNames: f, getOwnPropertySymbols: p, getPrototypeOf: m } = Object, h = globalThis, ee = h.trustedTypes, g = ee ? ee.emptyScript : "", _ = h.reactiveElementPolyfillSupport, v = (e, t) => e, y = {
	toAttribute(e, t) {
		switch (t) {
			case Boolean:
				e = e ? g : null;
				break;
			case Object:
			case Array: e = e == null ? e : JSON.stringify(e);
		}
		return e;
	},
	fromAttribute(e, t) {
		let n = e;
		switch (t) {
			case Boolean:
				n = e !== null;
				break;
			case Number:
				n = e === null ? null : Number(e);
				break;
			case Object:
			case Array: try {
				n = JSON.parse(e);
			} catch {
				n = null;
			}
		}
		return n;
	}
}, b = (e, t) => !l(e, t), x = {
	attribute: !0,
	type: String,
	converter: y,
	reflect: !1,
	useDefault: !1,
	hasChanged: b
};
Symbol.metadata ??= Symbol("metadata"), h.litPropertyMetadata ??= /* @__PURE__ */ new WeakMap();
var S = class extends HTMLElement {
	static addInitializer(e) {
		this._$Ei(), (this.l ??= []).push(e);
	}
	static get observedAttributes() {
		return this.finalize(), this._$Eh && [...this._$Eh.keys()];
	}
	static createProperty(e, t = x) {
		if (t.state && (t.attribute = !1), this._$Ei(), this.prototype.hasOwnProperty(e) && ((t = Object.create(t)).wrapped = !0), this.elementProperties.set(e, t), !t.noAccessor) {
			let n = Symbol(), r = this.getPropertyDescriptor(e, n, t);
			r !== void 0 && u(this.prototype, e, r);
		}
	}
	static getPropertyDescriptor(e, t, n) {
		let { get: r, set: i } = d(this.prototype, e) ?? {
			get() {
				return this[t];
			},
			set(e) {
				this[t] = e;
			}
		};
		return {
			get: r,
			set(t) {
				let a = r?.call(this);
				i?.call(this, t), this.requestUpdate(e, a, n);
			},
			configurable: !0,
			enumerable: !0
		};
	}
	static getPropertyOptions(e) {
		return this.elementProperties.get(e) ?? x;
	}
	static _$Ei() {
		if (this.hasOwnProperty(v("elementProperties"))) return;
		let e = m(this);
		e.finalize(), e.l !== void 0 && (this.l = [...e.l]), this.elementProperties = new Map(e.elementProperties);
	}
	static finalize() {
		if (this.hasOwnProperty(v("finalized"))) return;
		if (this.finalized = !0, this._$Ei(), this.hasOwnProperty(v("properties"))) {
			let e = this.properties, t = [...f(e), ...p(e)];
			for (let n of t) this.createProperty(n, e[n]);
		}
		let e = this[Symbol.metadata];
		if (e !== null) {
			let t = litPropertyMetadata.get(e);
			if (t !== void 0) for (let [e, n] of t) this.elementProperties.set(e, n);
		}
		this._$Eh = /* @__PURE__ */ new Map();
		for (let [e, t] of this.elementProperties) {
			let n = this._$Eu(e, t);
			n !== void 0 && this._$Eh.set(n, e);
		}
		this.elementStyles = this.finalizeStyles(this.styles);
	}
	static finalizeStyles(e) {
		let t = [];
		if (Array.isArray(e)) {
			let n = new Set(e.flat(1 / 0).reverse());
			for (let e of n) t.unshift(c(e));
		} else e !== void 0 && t.push(c(e));
		return t;
	}
	static _$Eu(e, t) {
		let n = t.attribute;
		return !1 === n ? void 0 : typeof n == "string" ? n : typeof e == "string" ? e.toLowerCase() : void 0;
	}
	constructor() {
		super(), this._$Ep = void 0, this.isUpdatePending = !1, this.hasUpdated = !1, this._$Em = null, this._$Ev();
	}
	_$Ev() {
		this._$ES = new Promise((e) => this.enableUpdating = e), this._$AL = /* @__PURE__ */ new Map(), this._$E_(), this.requestUpdate(), this.constructor.l?.forEach((e) => e(this));
	}
	addController(e) {
		(this._$EO ??= /* @__PURE__ */ new Set()).add(e), this.renderRoot !== void 0 && this.isConnected && e.hostConnected?.();
	}
	removeController(e) {
		this._$EO?.delete(e);
	}
	_$E_() {
		let e = /* @__PURE__ */ new Map(), t = this.constructor.elementProperties;
		for (let n of t.keys()) this.hasOwnProperty(n) && (e.set(n, this[n]), delete this[n]);
		e.size > 0 && (this._$Ep = e);
	}
	createRenderRoot() {
		let e = this.shadowRoot ?? this.attachShadow(this.constructor.shadowRootOptions);
		return s(e, this.constructor.elementStyles), e;
	}
	connectedCallback() {
		this.renderRoot ??= this.createRenderRoot(), this.enableUpdating(!0), this._$EO?.forEach((e) => e.hostConnected?.());
	}
	enableUpdating(e) {}
	disconnectedCallback() {
		this._$EO?.forEach((e) => e.hostDisconnected?.());
	}
	attributeChangedCallback(e, t, n) {
		this._$AK(e, n);
	}
	_$ET(e, t) {
		let n = this.constructor.elementProperties.get(e), r = this.constructor._$Eu(e, n);
		if (r !== void 0 && !0 === n.reflect) {
			let i = (n.converter?.toAttribute === void 0 ? y : n.converter).toAttribute(t, n.type);
			this._$Em = e, i == null ? this.removeAttribute(r) : this.setAttribute(r, i), this._$Em = null;
		}
	}
	_$AK(e, t) {
		let n = this.constructor, r = n._$Eh.get(e);
		if (r !== void 0 && this._$Em !== r) {
			let e = n.getPropertyOptions(r), i = typeof e.converter == "function" ? { fromAttribute: e.converter } : e.converter?.fromAttribute === void 0 ? y : e.converter;
			this._$Em = r;
			let a = i.fromAttribute(t, e.type);
			this[r] = a ?? this._$Ej?.get(r) ?? a, this._$Em = null;
		}
	}
	requestUpdate(e, t, n, r = !1, i) {
		if (e !== void 0) {
			let a = this.constructor;
			if (!1 === r && (i = this[e]), n ??= a.getPropertyOptions(e), !((n.hasChanged ?? b)(i, t) || n.useDefault && n.reflect && i === this._$Ej?.get(e) && !this.hasAttribute(a._$Eu(e, n)))) return;
			this.C(e, t, n);
		}
		!1 === this.isUpdatePending && (this._$ES = this._$EP());
	}
	C(e, t, { useDefault: n, reflect: r, wrapped: i }, a) {
		n && !(this._$Ej ??= /* @__PURE__ */ new Map()).has(e) && (this._$Ej.set(e, a ?? t ?? this[e]), !0 !== i || a !== void 0) || (this._$AL.has(e) || (this.hasUpdated || n || (t = void 0), this._$AL.set(e, t)), !0 === r && this._$Em !== e && (this._$Eq ??= /* @__PURE__ */ new Set()).add(e));
	}
	async _$EP() {
		this.isUpdatePending = !0;
		try {
			await this._$ES;
		} catch (e) {
			Promise.reject(e);
		}
		let e = this.scheduleUpdate();
		return e != null && await e, !this.isUpdatePending;
	}
	scheduleUpdate() {
		return this.performUpdate();
	}
	performUpdate() {
		if (!this.isUpdatePending) return;
		if (!this.hasUpdated) {
			if (this.renderRoot ??= this.createRenderRoot(), this._$Ep) {
				for (let [e, t] of this._$Ep) this[e] = t;
				this._$Ep = void 0;
			}
			let e = this.constructor.elementProperties;
			if (e.size > 0) for (let [t, n] of e) {
				let { wrapped: e } = n, r = this[t];
				!0 !== e || this._$AL.has(t) || r === void 0 || this.C(t, void 0, n, r);
			}
		}
		let e = !1, t = this._$AL;
		try {
			e = this.shouldUpdate(t), e ? (this.willUpdate(t), this._$EO?.forEach((e) => e.hostUpdate?.()), this.update(t)) : this._$EM();
		} catch (t) {
			throw e = !1, this._$EM(), t;
		}
		e && this._$AE(t);
	}
	willUpdate(e) {}
	_$AE(e) {
		this._$EO?.forEach((e) => e.hostUpdated?.()), this.hasUpdated || (this.hasUpdated = !0, this.firstUpdated(e)), this.updated(e);
	}
	_$EM() {
		this._$AL = /* @__PURE__ */ new Map(), this.isUpdatePending = !1;
	}
	get updateComplete() {
		return this.getUpdateComplete();
	}
	getUpdateComplete() {
		return this._$ES;
	}
	shouldUpdate(e) {
		return !0;
	}
	update(e) {
		this._$Eq &&= this._$Eq.forEach((e) => this._$ET(e, this[e])), this._$EM();
	}
	updated(e) {}
	firstUpdated(e) {}
};
S.elementStyles = [], S.shadowRootOptions = { mode: "open" }, S[v("elementProperties")] = /* @__PURE__ */ new Map(), S[v("finalized")] = /* @__PURE__ */ new Map(), _?.({ ReactiveElement: S }), (h.reactiveElementVersions ??= []).push("2.1.2");
// node_modules/lit-html/lit-html.js
var C = globalThis, w = (e) => e, T = C.trustedTypes, te = T ? T.createPolicy("lit-html", { createHTML: (e) => e }) : void 0, E = "$lit$", D = `lit$${Math.random().toFixed(9).slice(2)}$`, ne = "?" + D, re = `<${ne}>`, O = document, k = () => O.createComment(""), ie = (e) => e === null || typeof e != "object" && typeof e != "function", ae = Array.isArray, oe = (e) => ae(e) || typeof e?.[Symbol.iterator] == "function", se = "[ 	\n\f\r]", A = /<(?:(!--|\/[^a-zA-Z])|(\/?[a-zA-Z][^>\s]*)|(\/?$))/g, ce = /-->/g, le = />/g, j = RegExp(`>|${se}(?:([^\\s"'>=/]+)(${se}*=${se}*(?:[^ \t\n\f\r"'\`<>=]|("|')|))|$)`, "g"), ue = /'/g, de = /"/g, fe = /^(?:script|style|textarea|title)$/i, pe = (e) => (t, ...n) => ({
	_$litType$: e,
	strings: t,
	values: n
}), M = pe(1), N = pe(2), P = Symbol.for("lit-noChange"), F = Symbol.for("lit-nothing"), me = /* @__PURE__ */ new WeakMap(), I = O.createTreeWalker(O, 129);
function he(e, t) {
	if (!ae(e) || !e.hasOwnProperty("raw")) throw Error("invalid template strings array");
	return te === void 0 ? t : te.createHTML(t);
}
var ge = (e, t) => {
	let n = e.length - 1, r = [], i, a = t === 2 ? "<svg>" : t === 3 ? "<math>" : "", o = A;
	for (let t = 0; t < n; t++) {
		let n = e[t], s, c, l = -1, u = 0;
		for (; u < n.length && (o.lastIndex = u, c = o.exec(n), c !== null);) u = o.lastIndex, o === A ? c[1] === "!--" ? o = ce : c[1] === void 0 ? c[2] === void 0 ? c[3] !== void 0 && (o = j) : (fe.test(c[2]) && (i = RegExp("</" + c[2], "g")), o = j) : o = le : o === j ? c[0] === ">" ? (o = i ?? A, l = -1) : c[1] === void 0 ? l = -2 : (l = o.lastIndex - c[2].length, s = c[1], o = c[3] === void 0 ? j : c[3] === "\"" ? de : ue) : o === de || o === ue ? o = j : o === ce || o === le ? o = A : (o = j, i = void 0);
		let d = o === j && e[t + 1].startsWith("/>") ? " " : "";
		a += o === A ? n + re : l >= 0 ? (r.push(s), n.slice(0, l) + E + n.slice(l) + D + d) : n + D + (l === -2 ? t : d);
	}
	return [he(e, a + (e[n] || "<?>") + (t === 2 ? "</svg>" : t === 3 ? "</math>" : "")), r];
}, _e = class e {
	constructor({ strings: t, _$litType$: n }, r) {
		let i;
		this.parts = [];
		let a = 0, o = 0, s = t.length - 1, c = this.parts, [l, u] = ge(t, n);
		if (this.el = e.createElement(l, r), I.currentNode = this.el.content, n === 2 || n === 3) {
			let e = this.el.content.firstChild;
			e.replaceWith(...e.childNodes);
		}
		for (; (i = I.nextNode()) !== null && c.length < s;) {
			if (i.nodeType === 1) {
				if (i.hasAttributes()) for (let e of i.getAttributeNames()) if (e.endsWith(E)) {
					let t = u[o++], n = i.getAttribute(e).split(D), r = /([.?@])?(.*)/.exec(t);
					c.push({
						type: 1,
						index: a,
						name: r[2],
						strings: n,
						ctor: r[1] === "." ? xe : r[1] === "?" ? Se : r[1] === "@" ? Ce : be
					}), i.removeAttribute(e);
				} else e.startsWith(D) && (c.push({
					type: 6,
					index: a
				}), i.removeAttribute(e));
				if (fe.test(i.tagName)) {
					let e = i.textContent.split(D), t = e.length - 1;
					if (t > 0) {
						i.textContent = T ? T.emptyScript : "";
						for (let n = 0; n < t; n++) i.append(e[n], k()), I.nextNode(), c.push({
							type: 2,
							index: ++a
						});
						i.append(e[t], k());
					}
				}
			} else if (i.nodeType === 8) {
				if (i.data === ne) c.push({
					type: 2,
					index: a
				});
				else {
					let e = -1;
					for (; (e = i.data.indexOf(D, e + 1)) !== -1;) c.push({
						type: 7,
						index: a
					}), e += D.length - 1;
				}
			}
			a++;
		}
	}
	static createElement(e, t) {
		let n = O.createElement("template");
		return n.innerHTML = e, n;
	}
};
function L(e, t, n = e, r) {
	if (t === P) return t;
	let i = r === void 0 ? n._$Cl : n._$Co?.[r], a = ie(t) ? void 0 : t._$litDirective$;
	return i?.constructor !== a && (i?._$AO?.(!1), a === void 0 ? i = void 0 : (i = new a(e), i._$AT(e, n, r)), r === void 0 ? n._$Cl = i : (n._$Co ??= [])[r] = i), i !== void 0 && (t = L(e, i._$AS(e, t.values), i, r)), t;
}
var ve = class {
	constructor(e, t) {
		this._$AV = [], this._$AN = void 0, this._$AD = e, this._$AM = t;
	}
	get parentNode() {
		return this._$AM.parentNode;
	}
	get _$AU() {
		return this._$AM._$AU;
	}
	u(e) {
		let { el: { content: t }, parts: n } = this._$AD, r = (e?.creationScope ?? O).importNode(t, !0);
		I.currentNode = r;
		let i = I.nextNode(), a = 0, o = 0, s = n[0];
		for (; s !== void 0;) {
			if (a === s.index) {
				let t;
				s.type === 2 ? t = new ye(i, i.nextSibling, this, e) : s.type === 1 ? t = new s.ctor(i, s.name, s.strings, this, e) : s.type === 6 && (t = new we(i, this, e)), this._$AV.push(t), s = n[++o];
			}
			a !== s?.index && (i = I.nextNode(), a++);
		}
		return I.currentNode = O, r;
	}
	p(e) {
		let t = 0;
		for (let n of this._$AV) n !== void 0 && (n.strings === void 0 ? n._$AI(e[t]) : (n._$AI(e, n, t), t += n.strings.length - 2)), t++;
	}
}, ye = class e {
	get _$AU() {
		return this._$AM?._$AU ?? this._$Cv;
	}
	constructor(e, t, n, r) {
		this.type = 2, this._$AH = F, this._$AN = void 0, this._$AA = e, this._$AB = t, this._$AM = n, this.options = r, this._$Cv = r?.isConnected ?? !0;
	}
	get parentNode() {
		let e = this._$AA.parentNode, t = this._$AM;
		return t !== void 0 && e?.nodeType === 11 && (e = t.parentNode), e;
	}
	get startNode() {
		return this._$AA;
	}
	get endNode() {
		return this._$AB;
	}
	_$AI(e, t = this) {
		e = L(this, e, t), ie(e) ? e === F || e == null || e === "" ? (this._$AH !== F && this._$AR(), this._$AH = F) : e !== this._$AH && e !== P && this._(e) : e._$litType$ === void 0 ? e.nodeType === void 0 ? oe(e) ? this.k(e) : this._(e) : this.T(e) : this.$(e);
	}
	O(e) {
		return this._$AA.parentNode.insertBefore(e, this._$AB);
	}
	T(e) {
		this._$AH !== e && (this._$AR(), this._$AH = this.O(e));
	}
	_(e) {
		this._$AH !== F && ie(this._$AH) ? this._$AA.nextSibling.data = e : this.T(O.createTextNode(e)), this._$AH = e;
	}
	$(e) {
		let { values: t, _$litType$: n } = e, r = typeof n == "number" ? this._$AC(e) : (n.el === void 0 && (n.el = _e.createElement(he(n.h, n.h[0]), this.options)), n);
		if (this._$AH?._$AD === r) this._$AH.p(t);
		else {
			let e = new ve(r, this), n = e.u(this.options);
			e.p(t), this.T(n), this._$AH = e;
		}
	}
	_$AC(e) {
		let t = me.get(e.strings);
		return t === void 0 && me.set(e.strings, t = new _e(e)), t;
	}
	k(t) {
		ae(this._$AH) || (this._$AH = [], this._$AR());
		let n = this._$AH, r, i = 0;
		for (let a of t) i === n.length ? n.push(r = new e(this.O(k()), this.O(k()), this, this.options)) : r = n[i], r._$AI(a), i++;
		i < n.length && (this._$AR(r && r._$AB.nextSibling, i), n.length = i);
	}
	_$AR(e = this._$AA.nextSibling, t) {
		for (this._$AP?.(!1, !0, t); e !== this._$AB;) {
			let t = w(e).nextSibling;
			w(e).remove(), e = t;
		}
	}
	setConnected(e) {
		this._$AM === void 0 && (this._$Cv = e, this._$AP?.(e));
	}
}, be = class {
	get tagName() {
		return this.element.tagName;
	}
	get _$AU() {
		return this._$AM._$AU;
	}
	constructor(e, t, n, r, i) {
		this.type = 1, this._$AH = F, this._$AN = void 0, this.element = e, this.name = t, this._$AM = r, this.options = i, n.length > 2 || n[0] !== "" || n[1] !== "" ? (this._$AH = Array(n.length - 1).fill(/* @__PURE__ */ new String()), this.strings = n) : this._$AH = F;
	}
	_$AI(e, t = this, n, r) {
		let i = this.strings, a = !1;
		if (i === void 0) e = L(this, e, t, 0), a = !ie(e) || e !== this._$AH && e !== P, a && (this._$AH = e);
		else {
			let r = e, o, s;
			for (e = i[0], o = 0; o < i.length - 1; o++) s = L(this, r[n + o], t, o), s === P && (s = this._$AH[o]), a ||= !ie(s) || s !== this._$AH[o], s === F ? e = F : e !== F && (e += (s ?? "") + i[o + 1]), this._$AH[o] = s;
		}
		a && !r && this.j(e);
	}
	j(e) {
		e === F ? this.element.removeAttribute(this.name) : this.element.setAttribute(this.name, e ?? "");
	}
}, xe = class extends be {
	constructor() {
		super(...arguments), this.type = 3;
	}
	j(e) {
		this.element[this.name] = e === F ? void 0 : e;
	}
}, Se = class extends be {
	constructor() {
		super(...arguments), this.type = 4;
	}
	j(e) {
		this.element.toggleAttribute(this.name, !!e && e !== F);
	}
}, Ce = class extends be {
	constructor(e, t, n, r, i) {
		super(e, t, n, r, i), this.type = 5;
	}
	_$AI(e, t = this) {
		if ((e = L(this, e, t, 0) ?? F) === P) return;
		let n = this._$AH, r = e === F && n !== F || e.capture !== n.capture || e.once !== n.once || e.passive !== n.passive, i = e !== F && (n === F || r);
		r && this.element.removeEventListener(this.name, this, n), i && this.element.addEventListener(this.name, this, e), this._$AH = e;
	}
	handleEvent(e) {
		typeof this._$AH == "function" ? this._$AH.call(this.options?.host ?? this.element, e) : this._$AH.handleEvent(e);
	}
}, we = class {
	constructor(e, t, n) {
		this.element = e, this.type = 6, this._$AN = void 0, this._$AM = t, this.options = n;
	}
	get _$AU() {
		return this._$AM._$AU;
	}
	_$AI(e) {
		L(this, e);
	}
}, Te = {
	M: E,
	P: D,
	A: ne,
	C: 1,
	L: ge,
	R: ve,
	D: oe,
	V: L,
	I: ye,
	H: be,
	N: Se,
	U: Ce,
	B: xe,
	F: we
}, Ee = C.litHtmlPolyfillSupport;
Ee?.(_e, ye), (C.litHtmlVersions ??= []).push("3.3.3");
var De = (e, t, n) => {
	let r = n?.renderBefore ?? t, i = r._$litPart$;
	if (i === void 0) {
		let e = n?.renderBefore ?? null;
		r._$litPart$ = i = new ye(t.insertBefore(k(), e), e, void 0, n ?? {});
	}
	return i._$AI(e), i;
}, Oe = globalThis, ke = class extends S {
	constructor() {
		super(...arguments), this.renderOptions = { host: this }, this._$Do = void 0;
	}
	createRenderRoot() {
		let e = super.createRenderRoot();
		return this.renderOptions.renderBefore ??= e.firstChild, e;
	}
	update(e) {
		let t = this.render();
		this.hasUpdated || (this.renderOptions.isConnected = this.isConnected), super.update(e), this._$Do = De(t, this.renderRoot, this.renderOptions);
	}
	connectedCallback() {
		super.connectedCallback(), this._$Do?.setConnected(!0);
	}
	disconnectedCallback() {
		super.disconnectedCallback(), this._$Do?.setConnected(!1);
	}
	render() {
		return P;
	}
};
ke._$litElement$ = !0, ke.finalized = !0, Oe.litElementHydrateSupport?.({ LitElement: ke });
var Ae = Oe.litElementPolyfillSupport;
Ae?.({ LitElement: ke }), (Oe.litElementVersions ??= []).push("4.2.2");
// src/inbox/view.ts
function R(e) {
	return e ? `${e.what} ${e.operationId} ${e.id}` : "";
}
var je = {
	link: "connecting",
	filter: {
		unread: !1,
		archived: !1,
		category: null
	},
	items: [],
	list: "loading",
	hasMore: !1,
	loadingMore: !1,
	unread: {
		value: 0,
		capped: !1
	},
	unseen: {
		value: 0,
		capped: !1
	},
	categories: /* @__PURE__ */ new Map(),
	fault: null,
	undoable: null
}, Me = 700, Ne = 6e3, Pe = class {
	host;
	words;
	text = "";
	#e = [];
	#t;
	#n;
	constructor(e, t) {
		this.host = e, this.words = t, e.addController(this);
	}
	arrived(e) {
		this.#e.push(e), this.#t ??= setTimeout(() => {
			let [e, t] = [this.#e.length, this.#e.at(-1)];
			this.#r();
			let n = this.words();
			t && this.say(n.texts.arrived(n.shown({
				value: e,
				capped: !1
			}), t.title));
		}, Me);
	}
	changed(e, t, n) {
		let r = this.words();
		t.undoable && R(t.undoable) !== R(e.undoable) && this.say(r.ofAct(t.undoable)), t.fault && t.fault !== e.fault && this.say(r.ofFault(t.fault)), n && t.link !== e.link && (t.link === "offline" && this.say(r.texts.offline), t.link === "refused" && this.say(r.texts.signedOut));
	}
	say(e) {
		clearTimeout(this.#n), this.#n = setTimeout(() => this.#i(""), Ne), this.#i(e === this.text ? `${e}\u00a0` : e);
	}
	hostDisconnected() {
		this.#r(), clearTimeout(this.#n), this.text = "";
	}
	#r() {
		clearTimeout(this.#t), this.#t = void 0, this.#e = [];
	}
	#i(e) {
		this.text = e, this.host.requestUpdate();
	}
}, Fe = {
	ArrowDown: (e, t) => Math.min(e + 1, t),
	ArrowUp: (e) => Math.max(e - 1, 0),
	Home: () => 0,
	End: (e, t) => t
}, Ie = class {
	root;
	#e = null;
	constructor(e) {
		this.root = e;
	}
	get #t() {
		return this.root()?.querySelector(".panel:popover-open") ?? null;
	}
	#n() {
		return [...this.root()?.querySelectorAll(".item") ?? []];
	}
	hostUpdate() {
		let e = this.root()?.activeElement, t = e && this.#t?.contains(e), n = e?.closest(".item");
		this.#e = t ? n ? this.#n().indexOf(n) : -1 : null;
	}
	hostUpdated() {
		let [e, t] = [this.#t, this.#e];
		if (t === null || !e || this.root()?.activeElement) return;
		let n = t < 0 ? [] : this.#n();
		Re(n[Math.min(t, n.length - 1)] ?? e);
	}
	moveInList(e) {
		let t = Fe[e.key], n = e.target, r = n.closest(".item");
		if (!t || Le(e) || !r && n !== this.#t) return;
		let i = this.#n(), a = i[t(r ? i.indexOf(r) : -1, i.length - 1)];
		a && (e.preventDefault(), Re(a));
	}
	moveInTabs(e) {
		let t = [...e.currentTarget.querySelectorAll("[role=tab]")], n = ["ArrowDown", "ArrowUp"][(getComputedStyle(e.currentTarget).direction === "rtl" ? ["ArrowLeft", "ArrowRight"] : ["ArrowRight", "ArrowLeft"]).indexOf(e.key)] ?? e.key, r = e.key.startsWith("Arrow") && n === e.key ? void 0 : Fe[n], i = r && t[r(t.indexOf(e.target), t.length - 1)];
		i && !Le(e) && (e.preventDefault(), e.stopPropagation(), i.click(), i.focus());
	}
};
function Le({ altKey: e, ctrlKey: t, metaKey: n, shiftKey: r }) {
	return e || t || n || r;
}
function Re(e) {
	(e.querySelector(":scope > .main") ?? e).focus();
}
// src/inbox/icons.ts
var z = (e) => M`<svg viewBox="0 0 24 24" aria-hidden="true" focusable="false">${e}</svg>`, ze = z(N`<path d="M6 9.5a6 6 0 0 1 12 0c0 5 2 6.5 2 6.5H4s2-1.5 2-6.5" /><path d="M10 19.5a2.2 2.2 0 0 0 4 0" />`), Be = z(N`<path d="M6 6l12 12M18 6L6 18" />`), Ve = z(N`<path d="M4 10v9h16v-9l-8-5.5z" /><path d="M4 10.5l8 5 8-5" />`), He = z(N`<path d="M4 6.5h16v11H4z" /><path d="M4 7l8 6 8-6" />`), Ue = z(N`<path d="M4 5h16v4H4zM5.5 9v10h13V9M10 13h4" />`), We = z(N`<path d="M4 13.5V19h16v-5.5h-4.5l-1 2.5h-5l-1-2.5zM12 4v8M8.5 7.5L12 4l3.5 3.5" />`), Ge = z(N`<path d="M3 12.5l4.5 4.5L17 7M12.5 16l1 1L22 8" />`), Ke = z(N`<path d="M4 4l16 16M8.5 13.5a5 5 0 0 1 5-1M5 10a10 10 0 0 1 3.5-2.2M12.5 7A10 10 0 0 1 19 10M12 17.5v.1" />`), qe = z(N`<path d="M12 4.5L21 19H3zM12 10v4M12 16.5v.1" />`), Je = 240;
function Ye({ message: e }) {
	return e.length > Je || e.split("\n", 4).length > 3;
}
function Xe(e) {
	return e.length > Je ? `${Array.from(e.slice(0, 241)).slice(0, -1).join("")}…` : e;
}
function Ze(e, t, n) {
	let { words: r, current: i } = t, { texts: a } = r, [o, s] = [e.readAt !== null, t.expanded.has(e.id)], c = Date.parse(e.deliveredAt), l = i === e.id ? 0 : -1, u = (t, n, r, i) => M`
    <button
      type="button"
      class="icon-button"
      part="item-action ${t}"
      tabindex=${l}
      title=${n}
      aria-label=${a.actionOn(n, e.title)}
      @click=${() => i(e)}
    >
      ${r}
    </button>
  `;
	return M`
    <li
      class="item ${o ? "read" : "unread"}"
      part="item ${o ? "item-read" : "item-unread"}"
      data-id=${e.id}
      @focusin=${() => n.reach(e)}
    >
      <button
        type="button"
        class="main"
        part="item-main"
        tabindex=${l}
        aria-expanded=${Ye(e) ? String(s) : F}
        @click=${() => n.activate(e)}
      >
        ${o ? F : M`<span class="dot" part="item-dot"></span><span class="hidden">${a.isUnread}</span>`}
        <span class="title" part="item-title" dir="auto">${e.title}</span>
        <span class="message ${s ? "whole" : ""}" part="item-message" dir="auto"
          >${s ? e.message : Xe(e.message)}</span
        >
        <span class="meta">
          <time part="item-time" dir="auto" datetime=${e.deliveredAt} title=${r.full(c)}
            >${r.ago(c, t.now)}</time
          >
          ${e.category === null ? F : M`<span class="category" part="item-category" dir="auto">${e.category}</span>`}
        </span>
      </button>
      <div class="actions" part="item-actions">
        ${o ? u("mark-unread", a.markUnread, He, n.toggleRead) : u("mark-read", a.markRead, Ve, n.toggleRead)}
        ${e.archivedAt === null ? u("archive", a.archive, Ue, n.toggleArchived) : u("unarchive", a.unarchive, We, n.toggleArchived)}
      </div>
    </li>
  `;
}
// node_modules/lit-html/directive.js
var Qe = {
	ATTRIBUTE: 1,
	CHILD: 2,
	PROPERTY: 3,
	BOOLEAN_ATTRIBUTE: 4,
	EVENT: 5,
	ELEMENT: 6
}, $e = (e) => (...t) => ({
	_$litDirective$: e,
	values: t
}), et = class {
	constructor(e) {}
	get _$AU() {
		return this._$AM._$AU;
	}
	_$AT(e, t, n) {
		this._$Ct = e, this._$AM = t, this._$Ci = n;
	}
	_$AS(e, t) {
		return this.update(e, t);
	}
	update(e, t) {
		return this.render(...t);
	}
}, tt = {}, nt = $e(class extends et {
	constructor() {
		super(...arguments), this.ot = tt;
	}
	render(e, t) {
		return t();
	}
	update(e, [t, n]) {
		if (Array.isArray(t)) {
			if (Array.isArray(this.ot) && this.ot.length === t.length && t.every((e, t) => e === this.ot[t])) return P;
		} else if (this.ot === t) return P;
		return this.ot = Array.isArray(t) ? Array.from(t) : t, this.render(t, n);
	}
}), { I: rt } = Te, it = (e) => e, at = () => document.createComment(""), B = (e, t, n) => {
	let r = e._$AA.parentNode, i = t === void 0 ? e._$AB : t._$AA;
	if (n === void 0) n = new rt(r.insertBefore(at(), i), r.insertBefore(at(), i), e, e.options);
	else {
		let t = n._$AB.nextSibling, a = n._$AM, o = a !== e;
		if (o) {
			let t;
			n._$AQ?.(e), n._$AM = e, n._$AP !== void 0 && (t = e._$AU) !== a._$AU && n._$AP(t);
		}
		if (t !== i || o) {
			let e = n._$AA;
			for (; e !== t;) {
				let t = it(e).nextSibling;
				it(r).insertBefore(e, i), e = t;
			}
		}
	}
	return n;
}, V = (e, t, n = e) => (e._$AI(t, n), e), ot = {}, st = (e, t = ot) => e._$AH = t, ct = (e) => e._$AH, lt = (e) => {
	e._$AR(), e._$AA.remove();
}, ut = (e, t, n) => {
	let r = /* @__PURE__ */ new Map();
	for (let i = t; i <= n; i++) r.set(e[i], i);
	return r;
}, dt = $e(class extends et {
	constructor(e) {
		if (super(e), e.type !== Qe.CHILD) throw Error("repeat() can only be used in text expressions");
	}
	dt(e, t, n) {
		let r;
		n === void 0 ? n = t : t !== void 0 && (r = t);
		let i = [], a = [], o = 0;
		for (let t of e) i[o] = r ? r(t, o) : o, a[o] = n(t, o), o++;
		return {
			values: a,
			keys: i
		};
	}
	render(e, t, n) {
		return this.dt(e, t, n).values;
	}
	update(e, [t, n, r]) {
		let i = ct(e), { values: a, keys: o } = this.dt(t, n, r);
		if (!Array.isArray(i)) return this.ut = o, a;
		let s = this.ut ??= [], c = [], l, u, d = 0, f = i.length - 1, p = 0, m = a.length - 1;
		for (; d <= f && p <= m;) if (i[d] === null) d++;
		else if (i[f] === null) f--;
		else if (s[d] === o[p]) c[p] = V(i[d], a[p]), d++, p++;
		else if (s[f] === o[m]) c[m] = V(i[f], a[m]), f--, m--;
		else if (s[d] === o[m]) c[m] = V(i[d], a[m]), B(e, c[m + 1], i[d]), d++, m--;
		else if (s[f] === o[p]) c[p] = V(i[f], a[p]), B(e, i[d], i[f]), f--, p++;
		else if (l === void 0 && (l = ut(o, p, m), u = ut(s, d, f)), l.has(s[d])) {
			if (l.has(s[f])) {
				let t = u.get(o[p]), n = t === void 0 ? null : i[t];
				if (n === null) {
					let t = B(e, i[d]);
					V(t, a[p]), c[p] = t;
				} else c[p] = V(n, a[p]), B(e, i[d], n), i[t] = null;
				p++;
			} else lt(i[f]), f--;
		} else lt(i[d]), d++;
		for (; p <= m;) {
			let t = B(e, c[m + 1]);
			V(t, a[p]), c[p++] = t;
		}
		for (; d <= f;) {
			let e = i[d++];
			e !== null && lt(e);
		}
		return this.ut = o, st(e, c), P;
	}
}), ft = ({ shown: e, plural: t }) => `${e} ${t === "one" ? "notification" : "notifications"}`, pt = {
	title: "Notifications",
	bellUnread: ({ shown: e }) => `Notifications, ${e} unread`,
	bellUnseen: ({ shown: e }) => `Notifications, ${e} new`,
	bellNone: "Notifications",
	bellOffline: (e) => `${e}, not connected`,
	capped: (e) => `${e}+`,
	close: "Close",
	filters: "Show",
	all: "All",
	unread: "Unread",
	archived: "Archived",
	category: "Category",
	allCategories: "All categories",
	categoryUnread: (e, { shown: t }) => `${e} (${t})`,
	markAllRead: "Mark all as read",
	markRead: "Mark as read",
	markUnread: "Mark as unread",
	archive: "Archive",
	unarchive: "Move to inbox",
	actionOn: (e, t) => `${e}: ${t}`,
	isUnread: "Unread",
	undo: "Undo",
	dismiss: "Dismiss",
	retry: "Try again",
	loadMore: "Load more",
	loading: "Loading",
	allWereRead: (e) => `${ft(e)} marked as read`,
	wasArchived: "Archived",
	wasUnarchived: "Moved to inbox",
	wasUndone: "Undone",
	arrived: (e, t) => e.value === 1 ? `New notification: ${t}` : `${e.shown} new notifications`,
	empty: "Nothing here yet",
	emptyHint: "What concerns you will appear here by itself.",
	emptyUnread: "You are all caught up",
	emptyUnreadHint: "Everything has been read.",
	emptyArchived: "Nothing archived",
	emptyArchivedHint: "What you put away is kept here.",
	offline: "Not connected. This list may be out of date; it will catch up by itself.",
	signedOut: "Your sign-in is not accepted any more.",
	unreachable: "The server does not answer.",
	refused: "You are not allowed to do that.",
	failed: "That did not work."
};
function mt(e, t) {
	return t.archived ? [e.emptyArchived, e.emptyArchivedHint] : t.unread ? [e.emptyUnread, e.emptyUnreadHint] : [e.empty, e.emptyHint];
}
// src/inbox/panel.ts
var ht = 4;
function gt({ snapshot: e, words: t, counts: n, open: r }) {
	let { texts: i } = t, a = t.shown(e[n]), o = n === "unread" ? i.bellUnread : i.bellUnseen, s = a.value === 0 ? i.bellNone : o(a), c = e.link === "offline" || e.link === "refused";
	return M`
    <button
      type="button"
      class="bell"
      part="bell"
      popovertarget="panel"
      aria-haspopup="dialog"
      aria-expanded=${r}
      aria-controls="panel"
      aria-label=${c ? i.bellOffline(s) : s}
    >
      ${ze}
      ${a.value === 0 ? F : M`<span class="badge" part="badge" aria-hidden="true">${a.shown}</span>`}
      ${c ? M`<span class="away" part="away" aria-hidden="true"></span>` : F}
    </button>
  `;
}
function _t(e, t, n, r, i) {
	let { filter: a, unread: o } = e.snapshot, s = a.unread === i.unread && a.archived === i.archived;
	return M`
    <button
      type="button"
      role="tab"
      id="tab-${n}"
      class="tab"
      part="tab ${s ? "tab-selected" : ""}"
      aria-selected=${s}
      aria-controls="list"
      tabindex=${s ? 0 : -1}
      @click=${() => t.filter(i)}
    >
      ${r}
      ${i.unread && o.value > 0 ? M`<span class="number">${e.words.shown(o).shown}</span>` : F}
    </button>
  `;
}
function vt(e, t) {
	let { categories: n, filter: r } = e.snapshot;
	if (n.size === 0 && r.category === null) return F;
	let { texts: i } = e.words, a = [.../* @__PURE__ */ new Set([...n.keys(), ...r.category === null ? [] : [r.category]])], o = (t) => {
		let r = n.get(t);
		return r && r.value > 0 ? i.categoryUnread(t, e.words.shown(r)) : t;
	};
	return M`
    <select class="categories" part="categories" aria-label=${i.category} @change=${(e) => t.filter({ category: e.target.value || null })}>
      <option value="" .selected=${r.category === null}>${i.allCategories}</option>
      ${dt(a.sort(), (e) => e, (e) => M`
        <option value=${e} .selected=${r.category === e}>${o(e)}</option>`)}
    </select>
  `;
}
function yt(e, t) {
	let { texts: n } = e.words, { filter: r, unread: i } = e.snapshot, a = i.value === 0 || r.archived;
	return M`
    <div class="header" part="header">
      <h2 part="title">${n.title}</h2>
      <button
        type="button"
        class="text-button"
        part="mark-all-read"
        aria-disabled=${a}
        @click=${() => !a && t.markAllRead()}
      >
        ${Ge} ${n.markAllRead}
      </button>
      <button
        type="button"
        class="icon-button"
        part="close"
        title=${n.close}
        aria-label=${n.close}
        @click=${t.close}
      >
        ${Be}
      </button>
    </div>
    <div class="filters" part="filters">
      <div role="tablist" class="tabs" part="tabs" aria-label=${n.filters} @keydown=${t.keyOnTabs}>
        ${_t(e, t, "all", n.all, {
		unread: !1,
		archived: !1
	})}
        ${_t(e, t, "unread", n.unread, {
		unread: !0,
		archived: !1
	})}
        ${_t(e, t, "archived", n.archived, {
		unread: !1,
		archived: !0
	})}
      </div>
      ${vt(e, t)}
    </div>
  `;
}
var bt = (e, t) => M`<button type="button" class="text-button" part="retry" @click=${t.retry}>${e}</button>`;
function xt({ snapshot: e, words: t }, n) {
	let { texts: r } = t;
	return e.link === "refused" ? M`<div class="bar bad" part="notice">${qe}<span>${r.signedOut}</span>${bt(r.retry, n)}</div>` : e.link === "offline" ? M`<div class="bar" part="notice">${Ke}<span>${r.offline}</span>${bt(r.retry, n)}</div>` : e.fault === null || e.list === "error" ? F : M`<div class="bar bad" part="notice">${qe}<span>${t.ofFault(e.fault)}</span></div>`;
}
function St({ snapshot: e, words: t, dismissed: n }, r) {
	let { undoable: i } = e;
	if (i === null || R(i) === n) return F;
	let { texts: a } = t;
	return M`
    <div class="bar undo" part="undo-bar">
      <span>${t.ofAct(i)}</span>
      <button type="button" class="text-button" part="undo" @click=${r.undo}>${a.undo}</button>
      <button
        type="button"
        class="icon-button"
        part="dismiss"
        title=${a.dismiss}
        aria-label=${a.dismiss}
        @click=${r.dismiss}
      >
        ${Be}
      </button>
    </div>
  `;
}
var Ct = (e, t) => M`
  <div class="skeletons" part="loading">
    <span class="hidden">${t.loading}</span>
    ${Array.from({ length: e }, () => M`<div class="skeleton" aria-hidden="true"><i></i><i></i><i></i></div>`)}
  </div>
`;
function wt({ snapshot: e, words: t }) {
	let [n, r] = mt(t.texts, e.filter);
	return M`<div class="state" part="empty">${ze}<strong>${n}</strong><span>${r}</span></div>`;
}
function Tt({ snapshot: e, words: t }, n) {
	let { texts: r } = t;
	return M`
    <div class="state" part="error">
      ${qe}<strong>${t.ofFault(e.fault)}</strong>${bt(r.retry, n)}
    </div>
  `;
}
function Et(e, t) {
	let { snapshot: n, words: r, now: i, current: a, expanded: o, scrolls: s } = e, c = n.loadingMore ? Ct(2, r.texts) : n.hasMore && (!s || n.fault !== null) ? M`<button type="button" class="text-button more" part="load-more" @click=${t.loadMore}>
          ${r.texts.loadMore}
        </button>` : F;
	return M`
    <ul role="list" part="items" aria-label=${r.texts.title}>
      ${dt(n.items, (e) => e.id, (n) => nt([
		n,
		r,
		i,
		a === n.id,
		o.has(n.id)
	], () => Ze(n, e, t)))}
    </ul>
    ${c}
    <div id="end" class="end" aria-hidden="true"></div>
  `;
}
function Dt(e, t) {
	let { snapshot: n, words: r } = e;
	return n.items.length > 0 ? Et(e, t) : n.list === "error" ? Tt(e, t) : n.list === "loading" ? Ct(ht, r.texts) : wt(e);
}
function Ot(e, t) {
	let { filter: n, list: r } = e.snapshot, i = n.archived ? "archived" : n.unread ? "unread" : "all";
	return M`
    <div
      id="panel"
      class="panel"
      part="panel"
      popover="auto"
      role="dialog"
      aria-label=${e.words.texts.title}
      tabindex="-1"
      @beforetoggle=${t.toggling}
      @toggle=${t.toggled}
      @keydown=${t.keyOnPanel}
    >
      ${yt(e, t)} ${xt(e, t)}
      <div
        id="list"
        class="list"
        part="list"
        role="tabpanel"
        aria-labelledby="tab-${i}"
        aria-busy=${r === "loading"}
      >
        ${e.open ? Dt(e, t) : F}
      </div>
      ${St(e, t)}
    </div>
  `;
}
// src/inbox/placement.ts
var kt = 8, At = 260, jt = 640, Mt = class {
	bell;
	panel;
	#e = !1;
	constructor(e, t) {
		this.bell = e, this.panel = t;
	}
	start() {
		this.#t(), this.#e || (this.#e = !0, addEventListener("resize", this.#t, { passive: !0 }), addEventListener("scroll", this.#t, {
			passive: !0,
			capture: !0
		}));
	}
	stop() {
		this.#e = !1, removeEventListener("resize", this.#t), removeEventListener("scroll", this.#t, { capture: !0 });
	}
	hostDisconnected() {
		this.stop();
	}
	#t = (e) => {
		let [t, n] = [this.bell(), this.panel()];
		if (!t || !n || e?.target instanceof Node && n.getRootNode() === e.target) return;
		let r = t.getBoundingClientRect(), [i, a] = [document.documentElement.clientWidth, innerHeight], o = a - r.bottom - 16, s = r.top - 16, c = o >= At || o >= s, l = getComputedStyle(t).direction === "rtl" ? r.left : r.right - n.offsetWidth, { style: u } = n;
		u.left = `${Math.round(Math.max(kt, Math.min(l, i - n.offsetWidth - kt)))}px`, u.top = c ? `${Math.round(r.bottom + kt)}px` : "auto", u.bottom = c ? "auto" : `${Math.round(a - r.top + kt)}px`, u.maxHeight = `${Math.round(Math.max(At, Math.min(c ? o : s, jt)))}px`;
	};
}, Nt = "600px 0px", Pt = class {
	near;
	works = typeof IntersectionObserver == "function";
	#e = null;
	#t = null;
	#n = !1;
	constructor(e) {
		this.near = e;
	}
	follow(e, t) {
		t === this.#t ? this.#n && this.near() : this.#r(e, t);
	}
	hostDisconnected() {
		this.#r(null, null);
	}
	#r(e, t) {
		this.#e?.disconnect(), this.#e = null, this.#t = t, this.#n = !1, this.works && e && t && (this.#e = new IntersectionObserver((e) => {
			this.#n = e.at(-1)?.isIntersecting ?? !1, this.#n && this.near();
		}, {
			root: e,
			rootMargin: Nt
		}), this.#e.observe(t));
	}
}, H = {
	archive: "mutation ArchiveNotification($input: ArchiveNotificationInput!) {\n  archiveNotification(input: $input) {\n    notification {\n      id\n      readAt\n      seenAt\n      archivedAt\n      updatedAt\n      version\n    }\n  }\n}\n",
	counts: "# What a bell shows, with as many numbers by category as are asked for (at most 20).\nquery InboxCounts($userId: ID!, $categories: [String!]) {\n  user(id: $userId) {\n    inboxCounts(categories: $categories) {\n      unread\n      unreadCapped\n      unseen\n      unseenCapped\n      categories {\n        category\n        unread\n        unreadCapped\n        unseen\n        unseenCapped\n      }\n    }\n  }\n}\n",
	events: "# Keep the cursor of the last event and pass it as $after on every reconnection. On RESYNC read the inbox afresh.\n# ALL_READ and ALL_SEEN mark what is up to upTo, of the category, and was not updated after markedAt.\nsubscription InboxEvents($userId: String!, $after: String) {\n  inboxEvents(userId: $userId, after: $after) {\n    kind\n    cursor\n    unreadCount\n    unreadCountCapped\n    unseenCount\n    unseenCountCapped\n    notification {\n      id\n      title\n      message\n      category\n      status\n      deliveredAt\n      updatedAt\n      readAt\n      seenAt\n      archivedAt\n      version\n    }\n    upTo {\n      deliveredAt\n      id\n    }\n    category\n    markedAt\n  }\n}\n",
	inbox: "# What an inbox page shows: the items, and what the bell says unless it is known already, in one request.\nquery Inbox(\n  $userId: ID!\n  $first: Int = 20\n  $after: String\n  $unread: Boolean\n  $category: String\n  $archived: Boolean\n  $counts: Boolean! = true\n) {\n  user(id: $userId) {\n    id\n    userId\n    inboxCounts @include(if: $counts) {\n      unread\n      unreadCapped\n      unseen\n      unseenCapped\n    }\n    inbox(first: $first, after: $after, unread: $unread, category: $category, archived: $archived) {\n      edges {\n        cursor\n        node {\n          id\n          title\n          message\n          category\n          deliveredAt\n          updatedAt\n          readAt\n          seenAt\n          archivedAt\n          version\n        }\n      }\n      pageInfo {\n        hasNextPage\n        endCursor\n      }\n    }\n  }\n}\n",
	markAllRead: "# upTo: the cursor of the newest item on screen, so that what arrives meanwhile stays unread. operationId undoes it.\nmutation MarkAllRead($input: MarkAllReadInput!) {\n  markAllRead(input: $input) {\n    count\n    operationId\n  }\n}\n",
	markAllSeen: "# upTo: the cursor of the newest item on screen, so that what arrives meanwhile stays unseen. operationId undoes it.\nmutation MarkAllSeen($input: MarkAllSeenInput!) {\n  markAllSeen(input: $input) {\n    count\n    operationId\n  }\n}\n",
	markRead: "mutation MarkRead($input: MarkReadInput!) {\n  markRead(input: $input) {\n    notification {\n      id\n      status\n      readAt\n      seenAt\n      archivedAt\n      updatedAt\n      version\n    }\n  }\n}\n",
	markUnread: "mutation MarkUnread($input: MarkUnreadInput!) {\n  markUnread(input: $input) {\n    notification {\n      id\n      status\n      readAt\n      seenAt\n      archivedAt\n      updatedAt\n      version\n    }\n  }\n}\n",
	unarchive: "mutation UnarchiveNotification($input: UnarchiveNotificationInput!) {\n  unarchiveNotification(input: $input) {\n    notification {\n      id\n      readAt\n      seenAt\n      archivedAt\n      updatedAt\n      version\n    }\n  }\n}\n",
	undoMarkAll: "# Within ten minutes. Streams tell of it by RESYNC.\nmutation UndoMarkAll($input: UndoMarkAllInput!) {\n  undoMarkAll(input: $input) {\n    count\n  }\n}\n"
}, Ft = "Only trusted documents are run", It = class {
	#e = !1;
	async of(e) {
		return this.#e ? { documentId: `sha256:${await Rt(e)}` } : { query: e };
	}
	learn(e, t) {
		return this.#e || e !== "PERMISSION_DENIED" || !t.startsWith(Ft) || !Lt() ? !1 : (this.#e = !0, !0);
	}
};
function Lt() {
	return globalThis.crypto?.subtle !== void 0;
}
async function Rt(e) {
	let t = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(e));
	return Array.from(new Uint8Array(t), (e) => e.toString(16).padStart(2, "0")).join("");
}
// src/inbox/wire.ts
function U(e, t) {
	return e.deliveredAt === t.deliveredAt ? e.id === t.id ? 0 : e.id > t.id ? -1 : 1 : e.deliveredAt > t.deliveredAt ? -1 : 1;
}
var W = class extends Error {
	fault;
	code;
	constructor(e, t, n) {
		super(n), this.fault = e, this.code = t;
	}
}, zt = {
	UNAUTHENTICATED: "refused",
	PERMISSION_DENIED: "refused",
	UNAVAILABLE: "unreachable",
	DEADLINE_EXCEEDED: "unreachable"
};
function Bt(e) {
	let t = e.extensions?.code ?? "UNKNOWN";
	return new W(zt[t] ?? "failed", t, e.message);
}
function Vt(e) {
	return e instanceof W ? e.fault : "failed";
}
// src/inbox/api.ts
var Ht = 15e3, Ut = {
	markRead: "markRead",
	markUnread: "markUnread",
	archive: "archiveNotification",
	unarchive: "unarchiveNotification"
}, Wt = class {
	userId;
	tokens;
	naming;
	fetching;
	#e;
	constructor(e, t, n, r, i) {
		this.userId = t, this.tokens = n, this.naming = r, this.fetching = i, this.#e = `${e}/graphql`;
	}
	async page(e, t, n, r, i) {
		let { unread: a, archived: o, category: s } = e, c = {
			unread: a || null,
			archived: o || null,
			category: s
		}, l = await this.#n(H.inbox, {
			first: t,
			after: n,
			counts: r,
			...c
		}, i), { edges: u, pageInfo: d } = l.inbox;
		return {
			items: u.map(({ cursor: e, node: t }) => ({
				cursor: e,
				item: t
			})),
			hasMore: d.hasNextPage,
			totals: l.inboxCounts ?? null
		};
	}
	async counts(e, t) {
		return (await this.#n(H.counts, { categories: e }, t)).inboxCounts;
	}
	async mark(e, t) {
		return (await this.#r(H[e], Ut[e], { id: t })).notification;
	}
	markAllRead(e, t) {
		return this.#t("markAllRead", e, t);
	}
	markAllSeen(e, t) {
		return this.#t("markAllSeen", e, t);
	}
	async undoMarkAll(e) {
		await this.#r(H.undoMarkAll, "undoMarkAll", {
			userId: this.userId,
			operationId: e
		});
	}
	async #t(e, t, n) {
		return await this.#r(H[e], e, {
			userId: this.userId,
			upTo: t,
			category: n
		});
	}
	async #n(e, t, n) {
		let { user: r } = await this.#i(e, {
			userId: this.userId,
			...t
		}, n);
		if (r === null) throw new W("refused", "PERMISSION_DENIED", "The inbox is not open to this caller.");
		return r;
	}
	async #r(e, t, n) {
		return (await this.#i(e, { input: n }))[t];
	}
	async #i(e, t, n) {
		let r = await this.tokens.get();
		for (let i = !1;;) try {
			return await this.#a({
				...await this.naming.of(e),
				variables: t
			}, r, n);
		} catch (e) {
			if (!(e instanceof W)) throw e;
			if (this.naming.learn(e.code, e.message)) continue;
			if (e.code !== "UNAUTHENTICATED" || i) throw e;
			r = await this.tokens.instead(r), i = !0;
		}
	}
	async #a(e, t, n) {
		let r = {
			accept: "application/graphql-response+json, application/json",
			"content-type": "application/json",
			...t === null ? {} : { authorization: `Bearer ${t}` }
		}, i = new AbortController(), a = () => i.abort(), o = setTimeout(a, Ht);
		n?.addEventListener("abort", a);
		try {
			n?.aborted && a();
			let t = {
				method: "POST",
				headers: r,
				body: JSON.stringify(e),
				signal: i.signal
			}, o = await this.fetching(this.#e, {
				...t,
				credentials: "omit",
				cache: "no-store"
			});
			return Gt(await o.json(), o.status);
		} catch (e) {
			throw e instanceof W ? e : new W("unreachable", "UNAVAILABLE", "The hub did not answer.");
		} finally {
			clearTimeout(o), n?.removeEventListener("abort", a);
		}
	}
};
function Gt(e, t) {
	let [n] = e.errors ?? [];
	if (n !== void 0) throw Bt(n);
	if (e.data) return e.data;
	let r = t === 401 ? "UNAUTHENTICATED" : t >= 500 ? "UNAVAILABLE" : "UNKNOWN";
	throw Bt({
		message: `The hub answered ${t}.`,
		extensions: { code: r }
	});
}
// src/inbox/known.ts
var Kt = class {
	#e = /* @__PURE__ */ new Map();
	#t = [];
	get(e) {
		return this.#e.get(e);
	}
	get size() {
		return this.#t.length;
	}
	[Symbol.iterator]() {
		return this.#t[Symbol.iterator]();
	}
	put(e) {
		let t = this.#e.get(e.item.id);
		this.#e.set(e.item.id, e), t === void 0 ? this.#t.splice(this.#n(e.item), 0, e) : U(t.item, e.item) === 0 ? this.#t[this.#n(t.item)] = e : (this.#t.splice(this.#n(t.item), 1), this.#t.splice(this.#n(e.item), 0, e));
	}
	delete(e) {
		let t = this.#e.get(e);
		t !== void 0 && (this.#e.delete(e), this.#t.splice(this.#n(t.item), 1));
	}
	#n(e) {
		let t = 0, n = this.#t.length;
		for (; t < n;) {
			let r = t + n >>> 1;
			U(this.#t[r].item, e) < 0 ? t = r + 1 : n = r;
		}
		return t;
	}
}, qt = 5e3, Jt = 6e4, G = (e) => e.readAt === null && e.archivedAt === null, Yt = (e) => G(e) && e.seenAt === null, Xt = class {
	filter = {
		unread: !1,
		archived: !1,
		category: null
	};
	#e = new Kt();
	#t;
	#n = 0;
	#r = [];
	#i = /* @__PURE__ */ new Set();
	#a = null;
	now() {
		return this.#n;
	}
	get listed() {
		return this.#t !== void 0;
	}
	get hasMore() {
		return this.#t !== void 0 && this.#t !== null;
	}
	choose(e) {
		this.filter = e, this.#t = void 0;
	}
	patch(e) {
		return this.#i.add(e), () => this.#i.delete(e);
	}
	get(e) {
		return this.#e.get(e);
	}
	look(e) {
		let t = e;
		for (let e of this.#i) t = e(t);
		return t;
	}
	shown() {
		let e = [];
		for (let t of this.#e) {
			if (!this.#p(t.item)) break;
			let n = this.look(t.item);
			!t.gone && this.#m(n) && e.push(n);
		}
		return e;
	}
	present(e) {
		return [...this.#e].filter(({ item: t, gone: n }) => !n && e(t)).map(({ item: e }) => e);
	}
	*patched() {
		if (this.#i.size !== 0) for (let { item: e, gone: t } of this.#e) {
			let n = this.look(e);
			!t && n !== e && (yield {
				before: e,
				after: n
			});
		}
	}
	categories() {
		let e = /* @__PURE__ */ new Set();
		for (let { item: t } of this.#e) t.category !== null && e.add(t.category);
		return e;
	}
	event(e) {
		switch (this.#n += 1, e.kind) {
			case "CHANGED": return e.notification === null ? [] : this.#c(e.notification, e.cursor);
			case "REMOVED": return e.notification === null ? [] : this.#l(e.notification, e.cursor);
			case "ALL_READ":
			case "ALL_SEEN": return this.#u(e);
			default: return [];
		}
	}
	isArrival(e) {
		return this.#e.get(e.id) !== void 0 || !G(e) ? !1 : Date.parse(e.updatedAt) - Date.parse(e.deliveredAt) < Jt && (this.#a === null || U(e, this.#a) < 0);
	}
	answer(e) {
		let t = this.#e.get(e.id);
		return t === void 0 || t.item.version >= e.version ? [] : (this.#n += 1, this.#f({
			...t.item,
			...e
		}, t.gone, t.cursor));
	}
	markedAll(e, t) {
		this.#n += 1;
		let n = [];
		for (let [r, i] of e) {
			let e = this.#e.get(r);
			e !== void 0 && e.item.version === i && n.push(...this.#d(e, t(e.item)));
		}
		return n;
	}
	replace(e, t, n) {
		this.#t = t, this.#o(e, n, () => !0), this.#h();
	}
	extend(e, t, n) {
		let r = this.#t;
		this.#t = t, this.#o(e, n, (e) => r != null && U(e, r) > 0);
	}
	#o(e, t, n) {
		this.#n += 1;
		let r = new Set(e.map(({ item: e }) => e.id)), i = [...this.#e].filter(({ item: e, gone: i, told: a }) => a <= t && !r.has(e.id) && !i && n(e) && this.#p(e) && this.#m(e));
		for (let { item: e } of i) this.#e.delete(e.id);
		for (let { item: n, cursor: r } of e) {
			let e = this.#e.get(n.id), i = e === void 0 || e.item.version < n.version, a = e !== void 0 && e.touched <= t && e.item.version === n.version;
			i || a ? this.#f(this.#s(n, t), !1, r) : this.#e.put({
				...e,
				cursor: r
			});
		}
	}
	#s(e, t) {
		let n = e;
		for (let { event: r, at: i } of this.#r) i > t && e.updatedAt !== r.markedAt && (n = Zt(r)(n));
		return n;
	}
	#c(e, t) {
		let n = this.#e.get(e.id);
		return n !== void 0 && n.item.version >= e.version ? [] : this.#f(e, !1, n?.cursor ?? t);
	}
	#l(e, t) {
		let n = this.#e.get(e.id);
		return n !== void 0 && n.item.version > e.version ? [] : this.#f(e, e.archivedAt === null, n?.cursor ?? t);
	}
	#u(e) {
		this.#r = [...this.#r.slice(-99), {
			event: e,
			at: this.#n
		}];
		let t = Zt(e);
		return [...this.#e].flatMap((e) => this.#d(e, t(e.item)));
	}
	#d(e, t) {
		return e.gone || t === e.item ? [] : this.#f(t, !1, e.cursor, e.told);
	}
	#f(e, t, n, r = this.#n) {
		let i = this.#e.get(e.id);
		return this.#e.put({
			item: e,
			gone: t,
			cursor: n,
			told: r,
			touched: this.#n
		}), (this.#a === null || U(e, this.#a) < 0) && (this.#a = e), [{
			before: i?.gone === !1 ? i.item : void 0,
			after: t ? void 0 : e
		}];
	}
	#p(e) {
		return this.#t === null || this.#t !== void 0 && U(e, this.#t) <= 0;
	}
	#m(e) {
		let { unread: t, archived: n, category: r } = this.filter;
		return e.archivedAt !== null !== n || t && e.readAt !== null ? !1 : r === null || e.category === r;
	}
	#h() {
		if (!(this.#e.size <= qt)) for (let { item: e } of [...this.#e].slice(qt)) this.#p(e) || this.#e.delete(e.id);
	}
};
function Zt(e) {
	let { upTo: t, category: n, markedAt: r } = e;
	if (t === null || r === null) return (e) => e;
	let i = e.kind === "ALL_READ" ? Qt(r) : $t(r);
	return (e) => (n === null || e.category === n) && U(e, t) >= 0 && e.archivedAt === null && e.updatedAt <= r ? i(e) : e;
}
function Qt(e) {
	return (t) => t.readAt === null ? {
		...t,
		readAt: e,
		seenAt: t.seenAt ?? e
	} : t;
}
function $t(e) {
	return (t) => t.seenAt === null && t.readAt === null ? {
		...t,
		seenAt: e
	} : t;
}
// src/inbox/counts.ts
var K = {
	value: 0,
	capped: !1
}, q = (e, t) => ({
	value: e,
	capped: t
});
function J(e, t) {
	return e.capped || t === 0 ? e : q(Math.max(0, e.value + t), !1);
}
function en(e, t) {
	let { unread: n, unseen: r } = e, i = new Map(e.categories);
	for (let { before: e, after: a } of t) {
		let t = tn(a, G) - tn(e, G);
		n = J(n, t), r = J(r, tn(a, Yt) - tn(e, Yt));
		let o = (a ?? e)?.category ?? null, s = o === null ? void 0 : i.get(o);
		o !== null && s !== void 0 && i.set(o, J(s, t));
	}
	return {
		unread: n,
		unseen: r,
		categories: i
	};
}
function tn(e, t) {
	return e !== void 0 && t(e) ? 1 : 0;
}
function nn(e, t, n) {
	let r = t === null ? e.unread : e.categories.get(t) ?? K, i = -(n ?? r.value), a = n === void 0 && t === null ? K : J(e.unread, r.capped ? 0 : i), o = (e) => t === e || t === null && n === void 0, s = [...e.categories].map(([e, t]) => [e, o(e) ? K : t]);
	return {
		unread: a,
		unseen: on(e.unseen, a),
		categories: new Map(s)
	};
}
function rn(e, t) {
	return {
		...e,
		unseen: t === void 0 ? K : J(e.unseen, -t)
	};
}
function an(e, t) {
	return {
		...e,
		unread: J(e.unread, t)
	};
}
var on = (e, t) => t.capped || !e.capped && e.value <= t.value ? e : t, sn = class {
	numbers = {
		unread: K,
		unseen: K,
		categories: /* @__PURE__ */ new Map()
	};
	#e = 0;
	now() {
		return this.#e;
	}
	event(e, t) {
		this.#e += 1, this.numbers = {
			...en(this.numbers, t),
			unread: q(e.unreadCount, e.unreadCountCapped),
			unseen: q(e.unseenCount, e.unseenCountCapped)
		};
	}
	change(e) {
		this.#e += 1, this.numbers = e;
	}
	totals(e, t) {
		if (this.#e !== t) return;
		let { unread: n, unreadCapped: r, unseen: i, unseenCapped: a } = e;
		this.numbers = {
			...this.numbers,
			unread: q(n, r),
			unseen: q(i, a)
		};
	}
	know(e) {
		let t = new Map(this.numbers.categories);
		for (let n of e) !t.has(n) && t.size < 20 && t.set(n, K);
		t.size > this.numbers.categories.size && (this.numbers = {
			...this.numbers,
			categories: t
		});
	}
	byCategory(e) {
		let t = new Map(this.numbers.categories);
		for (let { category: n, unread: r, unreadCapped: i } of e.categories) t.set(n, q(r, i));
		this.numbers = {
			...this.numbers,
			categories: t
		};
	}
}, cn = 6e5, ln = () => (/* @__PURE__ */ new Date()).toISOString(), un = {
	markRead: Qt,
	markUnread: () => (e) => e.readAt === null ? e : {
		...e,
		readAt: null,
		seenAt: e.seenAt ?? e.readAt
	},
	archive: (e) => (t) => t.archivedAt === null ? {
		...t,
		archivedAt: e
	} : t,
	unarchive: () => (e) => e.archivedAt === null ? e : {
		...e,
		archivedAt: null
	}
}, dn = {
	archive: "archived",
	unarchive: "unarchived"
}, fn = class {
	api;
	model;
	counts;
	told;
	undoable = null;
	#e = /* @__PURE__ */ new Set();
	#t = Promise.resolve();
	#n;
	#r = /* @__PURE__ */ new Map();
	#i = null;
	constructor(e, t, n, r) {
		this.api = e, this.model = t, this.counts = n, this.told = r;
	}
	stop() {
		clearTimeout(this.#n), this.undoable = null;
	}
	predicted() {
		let e = this.counts.numbers, t = !1;
		for (let n of this.#e) t = !0, n.isSettled || (e = n.numbers(e));
		return t ? e : en(e, this.model.patched());
	}
	event({ kind: e, category: t }) {
		for (let n of this.#e) n.kind === e && n.category === t && (n.isSettled = !0);
	}
	mark(e, t, n = !1) {
		let r = un[e](ln());
		return this.#o((e) => e.id === t ? r(e) : e, null, async () => {
			let r = await this.api.mark(e, t);
			this.learn(this.model.answer(r)), this.told.marked(r);
			let i = dn[e];
			i !== void 0 && !n && this.#f({
				operationId: "",
				count: 1,
				what: i,
				id: t
			});
		});
	}
	learn(e) {
		e.length > 0 && this.counts.change(en(this.counts.numbers, e));
	}
	markAllRead() {
		let e = this.#c();
		if (e === null) return Promise.resolve();
		let { category: t } = this.model.filter, [n, r] = [this.#u(e.item, G), Qt(ln())], i = this.#s("ALL_READ", t, (e) => nn(e, t));
		return this.#o((e) => n(e) ? r(e) : e, i, async () => {
			let r = this.#d(n), { count: a, operationId: o } = await this.api.markAllRead(e.cursor, t);
			this.#a({
				kind: "read",
				at: ln(),
				versions: pn(r)
			}), i.isSettled || this.counts.change(nn(this.counts.numbers, t, a)), o !== null && (this.#r = r, this.#f({
				operationId: o,
				count: a,
				what: "allRead",
				id: null
			}));
		});
	}
	markAllSeen() {
		let e = this.#c();
		if (e === null || !this.#l(e.cursor)) return Promise.resolve();
		let { category: t } = this.model.filter, [n, r] = [this.#u(e.item, Yt), $t(ln())], i = this.#d(n).size, a = this.#s("ALL_SEEN", t, (e) => rn(e, t === null ? void 0 : i));
		return this.#o((e) => n(e) ? r(e) : e, a, async () => {
			let r = this.#d(n), { count: i } = await this.api.markAllSeen(e.cursor, t);
			this.#i = e.cursor, this.#a({
				kind: "seen",
				at: ln(),
				versions: pn(r)
			}), a.isSettled || this.counts.change(rn(this.counts.numbers, i));
		});
	}
	undo() {
		let { undoable: e } = this;
		if (e === null) return Promise.resolve();
		if (this.#f(null), e.id !== null) return this.mark(e.what === "archived" ? "unarchive" : "archive", e.id, !0);
		let t = this.#r, n = this.#s("RESYNC", null, (t) => an(t, e.count));
		return this.#o((e) => {
			let n = t.get(e.id);
			return n === void 0 || e.readAt === null ? e : {
				...e,
				readAt: n.readAt,
				seenAt: n.seenAt
			};
		}, n, async () => {
			try {
				await this.api.undoMarkAll(e.operationId);
			} catch (t) {
				throw t instanceof W && t.fault === "unreachable" && this.undoable === null && this.#f(e), t;
			}
			await this.told.list();
		});
	}
	hear({ kind: e, at: t, versions: n }) {
		this.model.markedAll(n, e === "read" ? Qt(t) : $t(t));
	}
	#a(e) {
		this.hear(e), this.told.done(e);
	}
	async #o(e, t, n) {
		let r = this.model.patch(e);
		t !== null && this.#e.add(t), this.told.changed();
		let i = this.#t.then(n).then(() => this.told.succeeded(), (e) => this.told.failed(e));
		this.#t = i, await i, r(), t !== null && this.#e.delete(t), this.told.changed();
	}
	#s(e, t, n) {
		return {
			kind: e,
			category: t,
			numbers: n,
			isSettled: !1
		};
	}
	#c() {
		let [e] = this.model.filter.archived ? [] : this.model.shown(), t = e === void 0 ? void 0 : this.model.get(e.id);
		return t === void 0 ? null : {
			item: t.item,
			cursor: t.cursor
		};
	}
	#l(e) {
		return this.model.shown().some(Yt) ? !0 : this.model.filter.category === null && this.predicted().unseen.value > 0 && this.#i !== e;
	}
	#u(e, t) {
		let { category: n } = this.model.filter;
		return (r) => t(r) && (n === null || r.category === n) && U(r, e) >= 0;
	}
	#d(e) {
		return new Map(this.model.present(e).map((e) => [e.id, e]));
	}
	#f(e) {
		clearTimeout(this.#n), this.undoable = e, e !== null && (this.#n = setTimeout(() => {
			this.undoable = null, this.told.changed();
		}, cn));
	}
};
function pn(e) {
	return new Map([...e.values()].map(({ id: e, version: t }) => [e, t]));
}
// src/inbox/call.ts
var mn = 5e3, hn = class {
	dial;
	tokens;
	asked;
	token;
	#e = /* @__PURE__ */ new Set();
	#t = null;
	#n = null;
	#r;
	#i = () => void 0;
	#a = Date.now();
	ended;
	constructor(e, t, n, r) {
		this.dial = e, this.tokens = t, this.asked = n, this.token = r, this.ended = new Promise((e) => {
			this.#i = e;
		}), this.#o(r);
	}
	hangUp() {
		this.#d(!1, null);
	}
	probe(e) {
		this.#t === null ? Date.now() - this.#a >= e && this.hangUp() : this.#t.probe();
	}
	#o(e) {
		let { url: t, userId: n, document: r, event: i } = this.asked, a = this.asked.cursor(), o = this.dial({
			url: t,
			token: e,
			document: r,
			variables: {
				userId: n,
				after: a
			},
			event: (t) => {
				let n = !s;
				n && this.#s(o, e), s = !0, i(t, n && a === null);
			},
			end: (e, t) => this.#u(o, e, t)
		}), s = !1;
		this.#e.add(o);
	}
	#s(e, t) {
		this.#n ??= Date.now(), this.#t = e, this.token = t;
		for (let t of this.#e) t !== e && (this.#e.delete(t), t.close());
		this.#c(this.tokens.renewal);
	}
	#c(e) {
		clearTimeout(this.#r), e !== null && (this.#r = setTimeout(() => void this.#l(), e));
	}
	async #l() {
		let e = await this.tokens.instead(this.token).catch(() => void 0);
		this.#e.size !== 0 && (e === void 0 ? this.#c(mn) : this.#o(e));
	}
	#u(e, t, n) {
		this.#e.delete(e), this.#e.size === 0 ? this.#d(t, n) : e !== this.#t && this.#c(mn);
	}
	#d(e, t) {
		clearTimeout(this.#r);
		for (let e of this.#e) e.close();
		this.#e.clear(), this.#t = null, this.#i({
			refused: e,
			why: t,
			lived: this.#n === null ? 0 : Date.now() - this.#n,
			token: this.token
		});
	}
}, gn = 500, _n = 1e4;
function vn(e) {
	return Math.min(_n, gn * 2 ** Math.max(0, e - 1)) * (.5 + Math.random() / 2);
}
var yn = class {
	#e = null;
	get waiting() {
		return this.#e !== null;
	}
	wait(e) {
		return new Promise((t) => {
			let n = setTimeout(() => this.cut(), e);
			this.#e = () => {
				clearTimeout(n), this.#e = null, t();
			};
		});
	}
	cut() {
		this.#e?.();
	}
}, bn = 5e3, xn = 3e4, Sn = 1500, Cn = class {
	url;
	userId;
	tokens;
	naming;
	listener;
	dial;
	cursor = null;
	#e = new yn();
	#t = 0;
	#n = 0;
	#r;
	#i = null;
	#a = null;
	constructor(e, t, n, r, i, a) {
		this.url = e, this.userId = t, this.tokens = n, this.naming = r, this.listener = i, this.dial = a;
	}
	start() {
		this.#t += 1, this.#n = 0, this.#o(this.#t);
	}
	stop() {
		this.#t += 1, this.#i = null, this.#a?.hangUp(), this.#e.cut();
	}
	wake() {
		this.#n = 0, this.#e.cut(), this.#a?.probe(Sn);
	}
	async #o(e) {
		for (this.#f("connecting"); e === this.#t;) {
			let t = await this.#s(e);
			e === this.#t && t > 0 && await this.#e.wait(t);
		}
	}
	async #s(e) {
		let t = await this.#l(), n = await this.naming.of(H.events);
		if (e !== this.#t) return 0;
		if (t === void 0) return this.#n += 1, this.#f(Tn() ? "offline" : "refused"), Tn() ? vn(this.#n) : wn();
		let { url: r, userId: i } = this, a = new hn(this.dial, this.tokens, {
			url: r,
			userId: i,
			document: n,
			cursor: () => this.cursor,
			event: (e, t) => this.#d(e, t)
		}, t);
		this.#a = a;
		let o = await a.ended;
		return this.#a === a && (this.#a = null), e === this.#t ? this.#c(o) : 0;
	}
	#c(e) {
		return this.#r = e.refused ? e.token : void 0, e.lived >= bn && (this.#n = 0), this.#u(e) ? 0 : (this.#n += 1, e.refused ? (this.#f(this.#n > 1 ? "refused" : "connecting"), this.#n > 1 ? wn() : 1) : (this.#f(this.#n > 1 || Tn() ? "offline" : "connecting"), vn(this.#n)));
	}
	async #l() {
		try {
			return this.#r === void 0 ? await this.tokens.get() : await this.tokens.instead(this.#r);
		} catch {
			return;
		}
	}
	#u({ why: e }) {
		return e === null ? !1 : this.naming.learn(e.code, e.message) ? (this.#r = void 0, !0) : e.code !== "INVALID_ARGUMENT" || this.cursor === null ? !1 : (this.cursor = null, !0);
	}
	#d(e, t) {
		this.cursor = e.cursor, this.#n = Math.min(this.#n, 1), this.#f("live"), this.listener.event(e), t && this.listener.fresh();
	}
	#f(e) {
		e !== this.#i && (this.#i = e, this.listener.link(e));
	}
};
function wn() {
	return xn * (.5 + Math.random() / 2);
}
function Tn() {
	return globalThis.navigator?.onLine === !1;
}
// src/inbox/lister.ts
var En = 100, Dn = class {
	api;
	model;
	counts;
	pageSize;
	told;
	loadingMore = !1;
	failing = !1;
	isStuck = !1;
	#e;
	#t = null;
	#n = !1;
	#r = null;
	#i = new AbortController();
	#a = 0;
	#o;
	#s = 0;
	constructor(e, t, n, r, i) {
		this.api = e, this.model = t, this.counts = n, this.pageSize = r, this.told = i, this.#e = r;
	}
	choose(e) {
		return this.model.choose(e), this.#e = this.pageSize, this.failing = !1, this.#c(), this.told.changed(), this.list();
	}
	list() {
		return this.#n = !0, clearTimeout(this.#o), this.#r ??= this.#l().finally(() => {
			this.#r = null;
		}), this.#r;
	}
	wake() {
		this.isStuck = !1, this.#n && this.#r === null && this.list();
	}
	async more() {
		if (!this.loadingMore) {
			this.loadingMore = !0;
			try {
				await this.#r, this.model.hasMore && await this.#f(), this.isStuck = !1, this.told.succeeded();
			} catch (e) {
				this.isStuck = !0, this.told.failed(e);
			} finally {
				this.loadingMore = !1, this.told.changed();
			}
		}
	}
	stop() {
		clearTimeout(this.#o), this.#n = !1, this.#c();
	}
	#c() {
		this.#a += 1, this.#i.abort(), this.#i = new AbortController();
	}
	async #l() {
		for (; this.#n;) {
			this.#n = !1;
			let e = this.#a;
			try {
				if (!await this.#d(e)) continue;
				this.#s = 0, this.failing = !1, this.told.listed(), this.told.succeeded();
			} catch (t) {
				if (e !== this.#a) continue;
				this.#u(t);
				return;
			}
		}
	}
	#u(e) {
		this.#n = !0, this.failing = !0, this.#s += 1, this.#o = setTimeout(() => this.wake(), vn(this.#s)), this.told.failed(e);
	}
	async #d(e) {
		let { filter: t } = this.model, [n, r] = [this.model.now(), this.counts.now()], i = Math.max(this.#e, this.model.shown().length), a = [], o = null;
		do {
			let n = Math.min(En, i - a.length), s = await this.api.page(t, n, o, o === null, this.#i.signal);
			if (e !== this.#a) return !1;
			s.totals !== null && this.counts.totals(s.totals, r), a.push(...s.items), o = On(s);
		} while (o !== null && a.length < i);
		return this.#a += 1, this.#t = o, this.model.replace(a, o === null ? null : kn(a), n), !0;
	}
	async #f() {
		let e = this.#a;
		this.#e = Math.max(this.#e, this.model.shown().length) + this.pageSize, this.told.changed();
		let t = this.model.now(), { filter: n } = this.model, r = await this.api.page(n, this.pageSize, this.#t, !1, this.#i.signal).catch((t) => {
			if (e !== this.#a) return null;
			throw t;
		});
		r !== null && e === this.#a && (this.#t = On(r), this.model.extend(r.items, this.#t === null ? null : kn(r.items), t), this.told.listed());
	}
};
function On(e) {
	return e.hasMore ? e.items.at(-1)?.cursor ?? null : null;
}
function kn(e) {
	return e.at(-1)?.item ?? null;
}
// node_modules/graphql-ws/dist/common-CGW11Fyb.js
function Y(e) {
	return e === null ? "null" : Array.isArray(e) ? "array" : typeof e;
}
function X(e) {
	return Y(e) === "object";
}
function An(e) {
	return Array.isArray(e) && e.length > 0 && e.every((e) => "message" in e);
}
function jn(e, t) {
	return e.length < 124 ? e : t;
}
var Z = /* @__PURE__ */ ((e) => (e[e.InternalServerError = 4500] = "InternalServerError", e[e.InternalClientError = 4005] = "InternalClientError", e[e.BadRequest = 4400] = "BadRequest", e[e.BadResponse = 4004] = "BadResponse", e[e.Unauthorized = 4401] = "Unauthorized", e[e.Forbidden = 4403] = "Forbidden", e[e.SubprotocolNotAcceptable = 4406] = "SubprotocolNotAcceptable", e[e.ConnectionInitialisationTimeout = 4408] = "ConnectionInitialisationTimeout", e[e.ConnectionAcknowledgementTimeout = 4504] = "ConnectionAcknowledgementTimeout", e[e.SubscriberAlreadyExists = 4409] = "SubscriberAlreadyExists", e[e.TooManyInitialisationRequests = 4429] = "TooManyInitialisationRequests", e))(Z || {}), Q = /* @__PURE__ */ ((e) => (e.ConnectionInit = "connection_init", e.ConnectionAck = "connection_ack", e.Ping = "ping", e.Pong = "pong", e.Subscribe = "subscribe", e.Next = "next", e.Error = "error", e.Complete = "complete", e))(Q || {});
function Mn(e) {
	if (!X(e)) throw Error(`Message is expected to be an object, but got ${Y(e)}`);
	if (!e.type) throw Error("Message is missing the 'type' property");
	if (typeof e.type != "string") throw Error(`Message is expects the 'type' property to be a string, but got ${Y(e.type)}`);
	switch (e.type) {
		case "connection_init":
		case "connection_ack":
		case "ping":
		case "pong":
			if (e.payload != null && !X(e.payload)) throw Error(`"${e.type}" message expects the 'payload' property to be an object or nullish or missing, but got "${e.payload}"`);
			break;
		case "subscribe":
			if (typeof e.id != "string") throw Error(`"${e.type}" message expects the 'id' property to be a string, but got ${Y(e.id)}`);
			if (!e.id) throw Error(`"${e.type}" message requires a non-empty 'id' property`);
			if (!X(e.payload)) throw Error(`"${e.type}" message expects the 'payload' property to be an object, but got ${Y(e.payload)}`);
			if (typeof e.payload.query != "string") throw Error(`"${e.type}" message payload expects the 'query' property to be a string, but got ${Y(e.payload.query)}`);
			if (e.payload.variables != null && !X(e.payload.variables)) throw Error(`"${e.type}" message payload expects the 'variables' property to be a an object or nullish or missing, but got ${Y(e.payload.variables)}`);
			if (e.payload.operationName != null && Y(e.payload.operationName) !== "string") throw Error(`"${e.type}" message payload expects the 'operationName' property to be a string or nullish or missing, but got ${Y(e.payload.operationName)}`);
			if (e.payload.extensions != null && !X(e.payload.extensions)) throw Error(`"${e.type}" message payload expects the 'extensions' property to be a an object or nullish or missing, but got ${Y(e.payload.extensions)}`);
			break;
		case "next":
			if (typeof e.id != "string") throw Error(`"${e.type}" message expects the 'id' property to be a string, but got ${Y(e.id)}`);
			if (!e.id) throw Error(`"${e.type}" message requires a non-empty 'id' property`);
			if (!X(e.payload)) throw Error(`"${e.type}" message expects the 'payload' property to be an object, but got ${Y(e.payload)}`);
			break;
		case "error":
			if (typeof e.id != "string") throw Error(`"${e.type}" message expects the 'id' property to be a string, but got ${Y(e.id)}`);
			if (!e.id) throw Error(`"${e.type}" message requires a non-empty 'id' property`);
			if (!An(e.payload)) throw Error(`"${e.type}" message expects the 'payload' property to be an array of GraphQL errors, but got ${JSON.stringify(e.payload)}`);
			break;
		case "complete":
			if (typeof e.id != "string") throw Error(`"${e.type}" message expects the 'id' property to be a string, but got ${Y(e.id)}`);
			if (!e.id) throw Error(`"${e.type}" message requires a non-empty 'id' property`);
			break;
		default: throw Error(`Invalid message 'type' property "${e.type}"`);
	}
	return e;
}
function Nn(e, t) {
	return Mn(typeof e == "string" ? JSON.parse(e, t) : e);
}
function $(e, t) {
	return Mn(e), JSON.stringify(e, t);
}
// node_modules/graphql-ws/dist/client.js
function Pn(e) {
	let { url: t, connectionParams: n, lazy: r = !0, onNonLazyError: i = console.error, lazyCloseTimeout: a = 0, keepAlive: o = 0, disablePong: s, connectionAckWaitTimeout: c = 0, retryAttempts: l = 5, retryWait: u = async function(e) {
		let t = 2 ** e;
		await new Promise((e) => setTimeout(e, t * 1e3 + Math.floor(Math.random() * 2700 + 300)));
	}, shouldRetry: d = In, on: f, webSocketImpl: p, generateID: m = function() {
		return "xxxxxxxx-xxxx-4xxx-yxxx-xxxxxxxxxxxx".replace(/[xy]/g, (e) => {
			let t = Math.random() * 16 | 0;
			return (e == "x" ? t : t & 3 | 8).toString(16);
		});
	}, jsonMessageReplacer: h, jsonMessageReviver: ee } = e, g;
	if (p) {
		if (!Rn(p)) throw Error("Invalid WebSocket implementation provided");
		g = p;
	} else typeof WebSocket < "u" ? g = WebSocket : typeof global < "u" ? g = global.WebSocket || global.MozWebSocket : typeof window < "u" && (g = window.WebSocket || window.MozWebSocket);
	if (!g) throw Error("WebSocket implementation missing; on Node you can `import WebSocket from 'ws';` and pass `webSocketImpl: WebSocket` to `createClient`");
	let _ = g, v = (() => {
		let e = /* @__PURE__ */ (() => {
			let e = {};
			return {
				on(t, n) {
					return e[t] = n, () => {
						delete e[t];
					};
				},
				emit(t) {
					"id" in t && e[t.id]?.(t);
				}
			};
		})(), t = {
			connecting: f?.connecting ? [f.connecting] : [],
			opened: f?.opened ? [f.opened] : [],
			connected: f?.connected ? [f.connected] : [],
			ping: f?.ping ? [f.ping] : [],
			pong: f?.pong ? [f.pong] : [],
			message: f?.message ? [e.emit, f.message] : [e.emit],
			closed: f?.closed ? [f.closed] : [],
			error: f?.error ? [f.error] : []
		};
		return {
			onMessage: e.on,
			on(e, n) {
				let r = t[e];
				return r.push(n), () => {
					let e = r.indexOf(n);
					e > -1 && r.splice(e, 1);
				};
			},
			emit(e, ...n) {
				for (let r of [...t[e]]) r(...n);
			}
		};
	})();
	function y(e) {
		let t = [v.on("error", (n) => {
			t.forEach((e) => e()), e(n);
		}), v.on("closed", (n) => {
			t.forEach((e) => e()), e(n);
		})];
		return () => t.forEach((e) => e());
	}
	let b, x = 0, S, C = !1, w = 0, T = !1;
	async function te() {
		clearTimeout(S);
		let [e, r] = await (b ??= new Promise((e, r) => (async () => {
			if (C) {
				if (await u(w), !x) return b = void 0, r({
					code: 1e3,
					reason: "All Subscriptions Gone"
				});
				w++;
			}
			v.emit("connecting", C);
			let i = new _(typeof t == "function" ? await t() : t, "graphql-transport-ws"), a, l;
			function d() {
				isFinite(o) && o > 0 && (clearTimeout(l), l = setTimeout(() => {
					i.readyState === _.OPEN && (i.send($({ type: Q.Ping })), v.emit("ping", !1, void 0));
				}, o));
			}
			y((e) => {
				b = void 0, clearTimeout(a), clearTimeout(l), r(e), e instanceof Fn && (i.close(4499, "Terminated"), i.onerror = null, i.onclose = null);
			}), i.onerror = (e) => v.emit("error", e), i.onclose = (e) => v.emit("closed", e), i.onopen = async () => {
				try {
					v.emit("opened", i);
					let e = typeof n == "function" ? await n() : n;
					if (i.readyState !== _.OPEN) return;
					i.send($(e ? {
						type: Q.ConnectionInit,
						payload: e
					} : { type: Q.ConnectionInit }, h)), isFinite(c) && c > 0 && (a = setTimeout(() => {
						i.close(Z.ConnectionAcknowledgementTimeout, "Connection acknowledgement timeout");
					}, c)), d();
				} catch (e) {
					v.emit("error", e), i.close(Z.InternalClientError, jn(e instanceof Error ? e.message : String(e), "Internal client error"));
				}
			};
			let f = !1;
			i.onmessage = ({ data: t }) => {
				try {
					let n = Nn(t, ee);
					if (v.emit("message", n), n.type === "ping" || n.type === "pong") {
						v.emit(n.type, !0, n.payload), n.type === "pong" ? d() : s || (i.send($(n.payload ? {
							type: Q.Pong,
							payload: n.payload
						} : { type: Q.Pong }, h)), v.emit("pong", !1, n.payload));
						return;
					}
					if (f) return;
					if (n.type !== Q.ConnectionAck) throw Error(`First message cannot be of type ${n.type}`);
					clearTimeout(a), f = !0, v.emit("connected", i, n.payload, C), C = !1, w = 0;
					let r = new Promise((e, t) => y(t));
					r.catch(() => {}), e([i, r]);
				} catch (e) {
					i.onmessage = null, v.emit("error", e), i.close(Z.BadResponse, jn(e instanceof Error ? e.message : String(e), "Bad response"));
				}
			};
		})()));
		e.readyState === _.CLOSING && await r;
		let i = () => {}, l = new Promise((e) => i = e);
		return [
			e,
			i,
			new Promise((t, n) => {
				let i = y(n);
				e.readyState !== _.OPEN && r.catch(n), l.then(() => {
					if (i(), !x) {
						let t = () => e.close(1e3, "Normal Closure");
						isFinite(a) && a > 0 ? (clearTimeout(S), S = setTimeout(() => {
							!x && e.readyState === _.OPEN && t();
						}, a)) : t();
					}
					t();
				});
			})
		];
	}
	function E(e) {
		if (In(e) && (Ln(e.code) || [
			Z.InternalServerError,
			Z.InternalClientError,
			Z.BadRequest,
			Z.BadResponse,
			Z.Unauthorized,
			Z.SubprotocolNotAcceptable,
			Z.SubscriberAlreadyExists,
			Z.TooManyInitialisationRequests
		].includes(e.code))) throw e;
		if (T) return !1;
		if (In(e) && e.code === 1e3) return x > 0;
		if (!l || w >= l || !d(e)) throw e;
		return C = !0;
	}
	r || (async () => {
		for (x++;;) try {
			let [, , e] = await te();
			await e;
		} catch (e) {
			try {
				if (!E(e)) return;
			} catch (e) {
				return i?.(e);
			}
		}
	})();
	function D(e, t) {
		let n = m(e), r = !1, i = !1, a = () => {
			x--, r = !0;
		};
		return (async () => {
			for (x++;;) try {
				let [o, s, c] = await te();
				if (r) return c.catch(() => {}), s();
				let l = v.onMessage(n, (e) => {
					switch (e.type) {
						case Q.Next:
							t.next(e.payload);
							return;
						case Q.Error:
							i = !0, r = !0, t.error(e.payload), a();
							return;
						case Q.Complete:
							r = !0, a();
							return;
					}
				});
				o.send($({
					id: n,
					type: Q.Subscribe,
					payload: e
				}, h)), a = () => {
					!r && o.readyState === _.OPEN && o.send($({
						id: n,
						type: Q.Complete
					}, h)), x--, r = !0, s();
				}, await c.finally(l);
				return;
			} catch (e) {
				if (!E(e)) return;
			}
		})().then(() => {
			i || t.complete();
		}).catch((e) => {
			t.error(e);
		}), () => {
			r || a();
		};
	}
	return {
		on: v.on,
		subscribe: D,
		iterate(e) {
			let t = [], n = {
				done: !1,
				error: null,
				resolve: () => {}
			}, r = D(e, {
				next(e) {
					t.push(e), n.resolve();
				},
				error(e) {
					n.done = !0, n.error = e, n.resolve();
				},
				complete() {
					n.done = !0, n.resolve();
				}
			}), i = async function* () {
				for (;;) {
					for (t.length || await new Promise((e) => n.resolve = e); t.length;) yield t.shift();
					if (n.error) throw n.error;
					if (n.done) return;
				}
			}();
			return i.throw = async (e) => (n.done || (n.done = !0, n.error = e, n.resolve()), {
				done: !0,
				value: void 0
			}), i.return = async () => (r(), {
				done: !0,
				value: void 0
			}), i;
		},
		async dispose() {
			if (T = !0, b) {
				let [e] = await b;
				e.close(1e3, "Normal Closure");
			}
		},
		terminate() {
			b && v.emit("closed", new Fn());
		}
	};
}
var Fn = class extends Error {
	name = "TerminatedCloseEvent";
	message = "4499: Terminated";
	code = 4499;
	reason = "Terminated";
	wasClean = !1;
};
function In(e) {
	return X(e) && "code" in e && "reason" in e;
}
function Ln(e) {
	return ![
		1e3,
		1001,
		1006,
		1005,
		1012,
		1013,
		1014
	].includes(e) && e >= 1e3 && e <= 1999;
}
function Rn(e) {
	return typeof e == "function" && "constructor" in e && "CLOSED" in e && "CLOSING" in e && "CONNECTING" in e && "OPEN" in e;
}
// src/inbox/socket.ts
var zn = 32e3, Bn = 1e4, Vn = 12e3, Hn = 5e3, Un = /* @__PURE__ */ new Set([4401, 4403]), Wn = ({ url: e, token: t, document: n, variables: r, event: i, end: a }) => {
	let o = null, s, c, l = !1, u = () => !l && (l = !0, clearTimeout(s), clearTimeout(c), !0), d = (e, t = null) => {
		u() && (m.terminate(), a(e, t));
	}, f = (e) => {
		clearTimeout(s), s = setTimeout(() => d(!1), e);
	}, p = () => {
		c ??= setTimeout(() => d(!1), Hn);
	}, m = Pn({
		url: e,
		retryAttempts: 0,
		keepAlive: Vn,
		...t === null ? {} : { connectionParams: { Authorization: `Bearer ${t}` } },
		on: {
			opened: (e) => {
				o = e;
			},
			ping: (e) => {
				e || p();
			},
			pong: (e) => {
				e && (clearTimeout(c), c = void 0);
			},
			closed: (e) => d(Un.has(e.code))
		}
	});
	f(Bn), m.subscribe({
		query: "",
		...n,
		variables: { ...r }
	}, {
		next: ({ data: e, errors: t }) => {
			if (!l) {
				if (t?.[0] !== void 0) return h(t[0]);
				f(zn), e && i(e.inboxEvents);
			}
		},
		error: (e) => Array.isArray(e) ? h(e[0]) : setTimeout(() => d(!1)),
		complete: () => setTimeout(() => d(!1))
	});
	function h(e) {
		let t = Bt(e);
		d(t.fault === "refused", t);
	}
	return {
		close: () => {
			u() && m.dispose();
		},
		probe: () => {
			l || o?.readyState !== WebSocket.OPEN || (o.send("{\"type\":\"ping\"}"), p());
		}
	};
}, Gn = 45e3, Kn = 4e3, qn = 1e4;
function Jn() {
	return typeof BroadcastChannel == "function" && globalThis.navigator?.locks !== void 0;
}
var Yn = class {
	name;
	listener;
	#e;
	#t = null;
	#n = null;
	#r = new AbortController();
	#i = null;
	#a = 0;
	#o = "connecting";
	#s = !1;
	#c = 0;
	#l;
	#u;
	constructor(e, t, n) {
		this.name = e, this.listener = t, this.#e = n({
			event: (e) => {
				t.event(e), this.#C({
					is: "event",
					epoch: this.#f(),
					number: ++this.#a,
					event: e
				});
			},
			fresh: () => {
				t.fresh(), this.#C({
					is: "fresh",
					epoch: this.#f(),
					number: ++this.#a
				});
			},
			link: (e) => {
				this.#o = e, t.link(e), this.#S();
			}
		});
	}
	start() {
		this.#t = new BroadcastChannel(this.name), this.#t.onmessage = ({ data: e }) => this.#g(e), this.#r = new AbortController(), this.#c = Date.now(), this.#l = setInterval(() => this.#b(), qn), this.#p(!1), this.#C({ is: "hello" });
	}
	stop() {
		clearInterval(this.#l), clearTimeout(this.#u), this.#r.abort(), this.#h(), this.#t?.close(), this.#t = null, this.#i = null, this.#s = !1;
	}
	wake() {
		this.#d ? this.#e.wake() : (this.#C({ is: "wake" }), this.#x());
	}
	marked(e) {
		this.#C({
			is: "marked",
			marked: e
		});
	}
	done(e) {
		this.#C({
			is: "done",
			done: e
		});
	}
	get #d() {
		return this.#n !== null;
	}
	#f() {
		return this.#i ??= crypto.randomUUID(), this.#i;
	}
	#p(e) {
		let t = this.#t, n = e ? { steal: e } : { signal: this.#r.signal }, r = !1;
		navigator.locks.request(this.name, n, () => new Promise((e) => {
			if (t !== this.#t) return e();
			r = !0, this.#m(e);
		})).catch((e) => {
			t === this.#t && (e.name === "SecurityError" ? this.#m(() => void 0) : r && (this.#h(), this.#p(!1)));
		});
	}
	#m(e) {
		clearTimeout(this.#u), this.#r.abort(), this.#r = new AbortController(), this.#n?.(), this.#n = e, this.#i = null, this.#a = 0, this.#s || (this.#e.cursor = null), this.#e.start();
	}
	#h() {
		this.#d && (this.#e.stop(), this.#n?.(), this.#n = null, this.#c = Date.now(), this.#i = null, this.#s = !1);
	}
	#g(e) {
		switch (e.is) {
			case "marked": return this.listener.marked(e.marked);
			case "done": return this.listener.done(e.done);
			case "hello": return this.#d ? this.#S() : void 0;
			case "wake": return this.#d ? this.#e.wake() : void 0;
			default: this.#d || this.#_(e);
		}
	}
	#_(e) {
		this.#c = Date.now(), clearTimeout(this.#u), this.#u = void 0, (e.epoch !== this.#i || e.number !== this.#a + (e.is === "state" ? 0 : 1)) && (this.#s = !1), this.#i = e.epoch, this.#a = e.number, e.is === "state" ? (this.#e.cursor = e.cursor ?? this.#e.cursor, this.#y(e.link)) : e.is === "event" ? (this.#e.cursor = e.event.cursor, this.listener.event(e.event), this.#y("live")) : this.#s = !1, this.#v();
	}
	#v() {
		this.#s || this.#o !== "live" || (this.#s = !0, this.listener.fresh());
	}
	#y(e) {
		this.#o = e, this.listener.link(e);
	}
	#b() {
		!this.#d && Date.now() - this.#c > Gn && this.#x();
	}
	#x() {
		this.#u === void 0 && (this.#C({ is: "hello" }), this.#u = setTimeout(() => {
			this.#u = void 0, this.#t !== null && !this.#d && this.#p(!0);
		}, Kn * (1 + Math.random())));
	}
	#S() {
		let e = {
			epoch: this.#f(),
			number: this.#a,
			link: this.#o,
			cursor: this.#e.cursor
		};
		this.#C({
			is: "state",
			...e
		});
	}
	#C(e) {
		this.#t?.postMessage(e);
	}
}, Xn = 300, Zn = 5e3, Qn = class {
	ask;
	tell;
	isHidden;
	#e;
	#t = !1;
	#n = null;
	constructor(e, t, n) {
		this.ask = e, this.tell = t, this.isHidden = n;
	}
	want(e = Xn) {
		this.#t = !0, this.#n !== null || this.#e !== void 0 || this.isHidden() || (this.#e = setTimeout(() => {
			this.#e = void 0, this.#r();
		}, e));
	}
	wake() {
		this.#t && this.want();
	}
	stop() {
		clearTimeout(this.#e), this.#e = void 0, this.#n?.abort(), this.#n = null, this.#t = !1;
	}
	async #r() {
		let e = new AbortController();
		this.#n = e, this.#t = !1;
		let t = !1;
		try {
			let t = await this.ask(e.signal);
			this.#n === e && this.tell(t);
		} catch {
			t = !0;
		}
		this.#n === e && (this.#n = null, (t || this.#t) && this.want(t ? Zn : Xn));
	}
}, $n = 15e3, er = 6e4, tr = 1e3, nr = 2 ** 31 - 1, rr = /* @__PURE__ */ new Set([
	"exp",
	"iat",
	"nbf",
	"jti",
	"sid",
	"nonce",
	"auth_time",
	"at_hash",
	"c_hash"
]);
function ir(e) {
	let [, t, ...n] = e.split(".");
	if (t === void 0 || n.length !== 1) return null;
	try {
		let e = Uint8Array.from(atob(t.replaceAll("-", "+").replaceAll("_", "/")), (e) => e.charCodeAt(0)), n = JSON.parse(new TextDecoder().decode(e));
		return typeof n == "object" && n && !Array.isArray(n) ? n : null;
	} catch {
		return null;
	}
}
function ar(e) {
	let t = e === null ? null : ir(e);
	if (t === null) return JSON.stringify(["token", e]);
	let n = Object.entries(t).filter(([e]) => !rr.has(e));
	return JSON.stringify(["claims", n.sort(([e], [t]) => e < t ? -1 : 1)]);
}
function or(e, t) {
	let n = e === null ? null : ir(e);
	if (typeof n?.exp != "number") return null;
	let r = typeof n.iat == "number" ? (n.exp - n.iat) * 1e3 : Infinity, i = n.exp * 1e3 - t, a = i > 0 ? Math.min(i, r) : Math.min(r, er * 5);
	return Math.min(nr, Math.max(tr, a - Math.min(er, a / 5)));
}
var sr = class {
	ask;
	#e;
	#t = Infinity;
	#n = null;
	constructor(e) {
		this.ask = e;
	}
	forget() {
		this.#e = void 0, this.#n = null;
	}
	async get() {
		return this.#e === void 0 ? this.#r() : Date.now() < this.#t ? this.#e : this.#r().catch(() => this.#e ?? null);
	}
	async instead(e) {
		if (this.#e !== void 0 && this.#e !== e) return this.#e;
		let t = await this.#r();
		if (t === e) throw new W("refused", "UNAUTHENTICATED", "There is no other token.");
		return t;
	}
	get renewal() {
		return this.#t === Infinity ? null : Math.max(tr, this.#t - Date.now());
	}
	#r() {
		if (this.#n !== null) return this.#n;
		let e = this.#a().then((t) => (this.#n === e && this.#i(t), t));
		this.#n = e;
		let t = () => {
			this.#n === e && (this.#n = null);
		};
		return e.then(t, t), e;
	}
	#i(e) {
		this.#e = e;
		let t = or(e, Date.now());
		this.#t = t === null ? Infinity : Date.now() + t;
	}
	async #a() {
		let e, t = new Promise((t, n) => {
			e = setTimeout(n, $n);
		});
		try {
			return await Promise.race([this.ask(), t]);
		} catch {
			throw new W("refused", "UNAUTHENTICATED", "No token could be had.");
		} finally {
			clearTimeout(e);
		}
	}
};
// src/inbox/wake.ts
function cr(e) {
	let t = globalThis.document, n = () => {
		t.visibilityState === "visible" && e();
	};
	return globalThis.addEventListener("online", e), globalThis.addEventListener("pageshow", e), t.addEventListener("visibilitychange", n), () => {
		globalThis.removeEventListener("online", e), globalThis.removeEventListener("pageshow", e), t.removeEventListener("visibilitychange", n);
	};
}
function lr() {
	return globalThis.document?.visibilityState === "hidden";
}
// src/inbox/store.ts
var ur = 1e3, dr = 1, fr = {
	dial: Wn,
	fetch: (...e) => fetch(...e)
};
function pr(e, t = fr) {
	return new mr(e, t);
}
var mr = class extends EventTarget {
	network;
	#e;
	#t;
	#n = new It();
	#r = new Xt();
	#i = new sn();
	#a;
	#o;
	#s;
	#c = new yn();
	#l = null;
	#u = "connecting";
	#d = null;
	#f = null;
	#p = [];
	#m = !1;
	#h = 0;
	#g = !1;
	#_;
	#v = () => void 0;
	constructor(e, t) {
		super(), this.network = t, this.#e = e, this.#t = new sr(e.token);
		let n = new Wt(e.endpoint, e.userId, this.#t, this.#n, t.fetch), r = {
			changed: () => this.#M(),
			failed: (e) => this.#j(Vt(e)),
			succeeded: () => this.#j(null)
		};
		this.#a = new Dn(n, this.#r, this.#i, e.pageSize, {
			...r,
			listed: () => this.#D()
		});
		let i = (e) => n.counts([...this.#i.numbers.categories.keys()], e);
		this.#o = new Qn(i, (e) => {
			this.#i.byCategory(e), this.#M();
		}, lr), this.#s = new fn(n, this.#r, this.#i, {
			...r,
			marked: (e) => this.#b?.marked(e),
			done: (e) => this.#b?.done(e),
			list: () => this.#a.list()
		}), this.#i.know(e.categories);
	}
	get snapshot() {
		return this.#f ??= {
			...this.#s.predicted(),
			link: this.#u,
			filter: this.#r.filter,
			items: this.#r.shown(),
			list: this.#r.listed ? "ready" : this.#a.failing ? "error" : "loading",
			hasMore: this.#r.hasMore,
			loadingMore: this.#a.loadingMore,
			fault: this.#d,
			undoable: this.#s.undoable
		}, this.#f;
	}
	start() {
		this.#y || (this.#h += 1, this.#t.forget(), this.#u = "connecting", this.#v = cr(() => this.#k()), this.#_ = setTimeout(() => this.#E(), ur), this.#x(this.#h));
	}
	stop() {
		this.#y && (this.#h += 1, this.#v(), clearTimeout(this.#_), this.#_ = void 0, this.#c.cut(), this.#l?.stop(), this.#l = null, this.#a.stop(), this.#o.stop(), this.#s.stop(), this.#M());
	}
	setFilter(e) {
		let { unread: t, archived: n, category: r } = this.#r.filter;
		(e.unread !== t || e.archived !== n || e.category !== r) && (this.#y ? this.#a.choose({ ...e }) : this.#r.choose({ ...e }), this.#M());
	}
	loadMore() {
		return this.#a.more();
	}
	reload() {
		return this.#l?.wake(), this.#a.list();
	}
	markRead(e) {
		return this.#s.mark("markRead", e);
	}
	markUnread(e) {
		return this.#s.mark("markUnread", e);
	}
	archive(e) {
		return this.#s.mark("archive", e);
	}
	unarchive(e) {
		return this.#s.mark("unarchive", e);
	}
	markAllRead() {
		return this.#s.markAllRead();
	}
	markAllSeen() {
		return this.#s.markAllSeen();
	}
	undo() {
		return this.#s.undo();
	}
	get #y() {
		return this.#h % 2 == 1;
	}
	get #b() {
		return this.#l instanceof Yn ? this.#l : null;
	}
	async #x(e) {
		let t = new URL(`${this.#e.endpoint}/graphql`, globalThis.location?.href), n = Jn() && Lt() ? await this.#S(t.href, e) : null;
		if (e !== this.#h) return;
		t.protocol = t.protocol.replace("http", "ws");
		let { userId: r } = this.#e, i = (e) => new Cn(t.href, r, this.#t, this.#n, e, this.network.dial);
		this.#l = n === null ? i(this.#C()) : new Yn(n, this.#C(), i), this.#l.start();
	}
	async #S(e, t) {
		let n;
		for (let e = 1; n === void 0 && t === this.#h && (n = await this.#t.get().catch(() => void 0), n === void 0); e += 1) this.#T(globalThis.navigator?.onLine === !1 ? "offline" : "refused"), await this.#c.wait(vn(e + 2));
		return `notification-inbox:${dr}:${await Rt(JSON.stringify([
			e,
			this.#e.userId,
			ar(n ?? null)
		]))}`;
	}
	#C() {
		return {
			event: (e) => this.#w(e),
			link: (e) => this.#T(e),
			fresh: () => this.#E(),
			marked: (e) => {
				this.#s.learn(this.#r.answer(e)), this.#M();
			},
			done: (e) => {
				this.#s.hear(e), this.#M();
			}
		};
	}
	#w(e) {
		let { kind: t, notification: n } = e, r = t === "CHANGED" && n !== null && this.#g && this.#r.isArrival(n);
		this.#i.event(e, this.#r.event(e)), this.#s.event(e), n?.category && this.#i.know([n.category]);
		let i = t === "REMOVED" && this.#r.filter.archived && n?.archivedAt != null;
		(t === "RESYNC" || i) && this.#E(), t !== "HEARTBEAT" && this.#O(), r && this.#p.push(n), this.#M();
	}
	#T(e) {
		this.#u = e, e === "live" ? this.#a.wake() : e !== "connecting" && this.#_ !== void 0 && this.#E(), this.#M();
	}
	#E() {
		clearTimeout(this.#_), this.#_ = void 0, this.#a.list();
	}
	#D() {
		this.#g = !0, this.#i.know(this.#r.categories()), this.#O();
	}
	#O() {
		this.#i.numbers.categories.size > 0 && this.#o.want();
	}
	#k() {
		this.#c.cut(), this.#l?.wake(), this.#a.wake(), this.#o.wake(), this.#M();
	}
	#A() {
		let { items: e, hasMore: t, loadingMore: n } = this.snapshot, r = e.length < this.#e.pageSize / 2;
		this.#y && r && t && !n && !this.#a.isStuck && this.#a.more();
	}
	#j(e) {
		this.#d = e, this.#M();
	}
	#M() {
		this.#f = null, this.#m || (this.#m = !0, queueMicrotask(() => {
			this.#m = !1, this.#A(), this.dispatchEvent(new Event("change"));
			for (let e of this.#p.splice(0)) this.dispatchEvent(new CustomEvent("arrived", { detail: e }));
		}));
	}
}, hr = o`
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
`, gr = o`
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
`, _r = o`
  .panel {
    position: fixed;
    inset: auto;
    flex-direction: column;
    width: min(var(--inbox-width, 26rem), 100vw - 1rem);
    max-width: none;
    margin: 0;
    padding: 0;
    overflow: hidden;
    border: 1px solid var(--_line);
    border-radius: var(--_radius);
    background: var(--_surface);
    box-shadow: var(--_shadow);
    color: var(--_text);
    text-align: start;
  }

  .panel:popover-open {
    display: flex;
  }

  .panel:focus-visible {
    outline: none;
  }

  .header,
  .filters,
  .bar {
    display: flex;
    flex: none;
    gap: 0.35rem;
    align-items: center;
    padding-inline: 1rem 0.6rem;
  }

  .header {
    padding-block: 0.6rem 0.25rem;
  }

  h2 {
    flex: 1;
    margin: 0;
    font-size: 1.1rem;
    line-height: 1.3;
  }

  .icon-button {
    display: inline-grid;
    flex: none;
    place-items: center;
    width: 2rem;
    height: 2rem;
    border-radius: 0.5rem;
    color: var(--_soft);
  }

  .icon-button:hover,
  .text-button:hover {
    background: var(--_raised);
    color: var(--_text);
  }

  .text-button {
    display: inline-flex;
    gap: 0.35rem;
    align-items: center;
    min-height: 2rem;
    padding: 0.2rem 0.55rem;
    border-radius: 0.5rem;
    color: var(--_accent);
    font-size: 0.875rem;
    font-weight: 550;
  }

  .text-button svg {
    width: 1.05rem;
    height: 1.05rem;
  }

  .text-button[aria-disabled='true'] {
    background: none;
    color: var(--_soft);
    cursor: default;
    opacity: 0.7;
  }

  .filters {
    flex-wrap: wrap;
    justify-content: space-between;
    padding-inline-start: 0.75rem;
    border-block-end: 1px solid var(--_line);
  }

  .tabs {
    display: flex;
    gap: 0.15rem;
  }

  .tab {
    padding: 0.55rem 0.5rem 0.5rem;
    border-block-end: 2px solid transparent;
    color: var(--_soft);
    font-size: 0.9rem;
    font-weight: 550;
    white-space: nowrap;
  }

  .tab:hover {
    color: var(--_text);
  }

  .tab[aria-selected='true'] {
    border-color: var(--_accent);
    color: var(--_text);
  }

  .tab:focus-visible,
  .main:focus-visible {
    border-radius: 0.4rem;
    outline-offset: -2px;
  }

  .number {
    margin-inline-start: 0.15rem;
    padding: 0 0.4rem;
    border-radius: 1rem;
    background: var(--_raised);
    color: var(--_text);
    font-size: 0.75rem;
  }

  .categories {
    max-width: 10.5rem;
    min-height: 1.9rem;
    margin-block: 0.25rem;
    padding-inline: 0.4rem;
    border: 1px solid var(--_line);
    border-radius: 0.5rem;
    background: var(--_surface);
    color: var(--_text);
    font-size: 0.85rem;
  }

  .bar {
    padding-block: 0.4rem;
    border-block-end: 1px solid var(--_line);
    background: var(--_raised);
    font-size: 0.875rem;
  }

  .bar span {
    flex: 1;
  }

  .bar.bad > svg {
    color: var(--_bad);
  }

  .undo {
    border-block: 1px solid var(--_line) 0;
  }
`, vr = [
	o`
  :host {
    --_accent: var(--inbox-accent, light-dark(#1d5fbf, #7db1ff));
    --_surface: var(--inbox-surface, light-dark(#fff, #1d2027));
    --_raised: var(--inbox-raised, light-dark(#eef1f5, #2a2e38));
    --_unread: var(--inbox-unread, light-dark(#f1f6fe, #212a39));
    --_text: var(--inbox-text, light-dark(#1a1e26, #e8ebf0));
    --_soft: var(--inbox-soft, light-dark(#566070, #a4aebe));
    --_line: var(--inbox-line, light-dark(#d8dce3, #363b45));
    --_bad: var(--inbox-bad, light-dark(#b3261e, #ff8f85));
    --_badge: var(--inbox-badge, light-dark(#c3261c, #d13438));
    --_badge-text: var(--inbox-badge-text, light-dark(#fff, #fff));
    --_radius: var(--inbox-radius, 0.75rem);
    --_shadow: var(--inbox-shadow, 0 0.75rem 2.5rem light-dark(rgb(20 30 50 / 18%), rgb(0 0 0 / 55%)));
    display: inline-block;
    position: relative;
    color: inherit;
    font: var(--inbox-font, 1rem / 1.45 system-ui, sans-serif);
  }

  :host([hidden]) {
    display: none;
  }

  :host([theme='light']) {
    color-scheme: light;
  }

  :host([theme='dark']) {
    color-scheme: dark;
  }

  :host([theme='auto']) {
    color-scheme: light dark;
  }

  * {
    box-sizing: border-box;
  }

  .hidden {
    position: absolute;
    width: 1px;
    height: 1px;
    margin: -1px;
    overflow: hidden;
    clip-path: inset(50%);
    white-space: nowrap;
  }

  svg {
    flex: none;
    width: 1.25rem;
    height: 1.25rem;
    fill: none;
    stroke: currentColor;
    stroke-width: 1.7;
    stroke-linecap: round;
    stroke-linejoin: round;
  }

  button,
  select {
    margin: 0;
    padding: 0;
    border: 0;
    background: none;
    color: inherit;
    font: inherit;
  }

  button {
    cursor: pointer;
  }

  :focus-visible {
    outline: 2px solid var(--_accent);
    outline-offset: 2px;
  }
`,
	hr,
	_r,
	gr
], yr = 6e4, br = 60 * yr, xr = 24 * br, Sr = 7;
function Cr(e) {
	try {
		return Intl.getCanonicalLocales(e)[0];
	} catch {
		return;
	}
}
function wr(e) {
	return new Date(e).setHours(0, 0, 0, 0);
}
var Tr = class {
	texts;
	language;
	#e;
	#t;
	#n;
	#r;
	#i;
	#a;
	constructor(e, t) {
		this.texts = e, this.language = t;
		let n = Cr(t);
		this.#e = new Intl.NumberFormat(n), this.#t = new Intl.PluralRules(n), this.#n = new Intl.RelativeTimeFormat(n, { numeric: "auto" }), this.#r = new Intl.DateTimeFormat(n, {
			day: "numeric",
			month: "short"
		}), this.#i = new Intl.DateTimeFormat(n, {
			day: "numeric",
			month: "short",
			year: "numeric"
		}), this.#a = new Intl.DateTimeFormat(n, {
			dateStyle: "full",
			timeStyle: "short"
		});
	}
	shown({ value: e, capped: t }) {
		let n = this.#e.format(e);
		return {
			value: e,
			shown: t ? this.texts.capped(n) : n,
			plural: this.#t.select(e)
		};
	}
	ago(e, t) {
		let n = Math.max(0, t - e);
		if (n < yr) return this.#n.format(0, "second");
		if (n < br) return this.#n.format(-Math.floor(n / yr), "minute");
		if (n < xr) return this.#n.format(-Math.floor(n / br), "hour");
		let r = Math.round((wr(t) - wr(e)) / xr);
		return r < Sr ? this.#n.format(-r, "day") : (new Date(e).getFullYear() === new Date(t).getFullYear() ? this.#r : this.#i).format(e);
	}
	ofAct({ what: e, count: t }) {
		return e === "archived" ? this.texts.wasArchived : e === "unarchived" ? this.texts.wasUnarchived : this.texts.allWereRead(this.shown({
			value: t,
			capped: !1
		}));
	}
	ofFault(e) {
		return this.texts[e ?? "failed"];
	}
	full(e) {
		return this.#a.format(e);
	}
}, Er = 2e4, { origin: Dr } = new URL(import.meta.url), Or = { fromAttribute: (e) => (e ?? "").split(",").map((e) => e.trim()).filter(Boolean) }, kr = (e, t) => JSON.stringify(e) !== JSON.stringify(t), Ar = class extends ke {
	static styles = vr;
	static properties = {
		endpoint: {},
		userId: { attribute: "user-id" },
		token: {},
		getToken: { attribute: !1 },
		categories: {
			converter: Or,
			hasChanged: kr
		},
		counts: {},
		pageSize: {
			attribute: "page-size",
			type: Number
		},
		lang: { reflect: !0 },
		texts: { attribute: !1 },
		open: {
			type: Boolean,
			reflect: !0
		},
		_now: { state: !0 },
		_current: { state: !0 },
		_expanded: { state: !0 },
		_dismissed: { state: !0 }
	};
	#e = null;
	#t = je;
	#n = new Tr(pt, "");
	#r = {};
	#i;
	#a = null;
	#o = !1;
	#s = "";
	#c = new Pe(this, () => this.#n);
	#l = new Ie(() => this.shadowRoot);
	#u = new Mt(() => this.#f(".bell"), () => this.#f(".panel"));
	#d = new Pt(() => this.#x());
	constructor() {
		super(), this.endpoint = Dr === "null" ? "" : Dr, this.userId = this.token = this.getToken = null, this.categories = [], this.counts = "unread", this.pageSize = 20, this.texts = {}, this.open = !1, this._now = Date.now(), this._current = null, this._dismissed = "", this._expanded = /* @__PURE__ */ new Set();
		for (let e of [
			this.#l,
			this.#u,
			this.#d
		]) this.addController(e);
	}
	get store() {
		return this.#e;
	}
	connectedCallback() {
		super.connectedCallback(), document.addEventListener("visibilitychange", this.#S), this.#e?.start();
	}
	disconnectedCallback() {
		super.disconnectedCallback(), document.removeEventListener("visibilitychange", this.#S), this.#e?.stop(), this.#w();
	}
	willUpdate(e) {
		[
			"endpoint",
			"userId",
			"categories",
			"pageSize"
		].some((t) => e.has(t)) ? this.#m() : (e.has("token") || e.has("getToken")) && this.#t.link === "refused" && this.#g();
		let t = this.lang || this.closest("[lang]")?.lang || document.documentElement.lang || navigator.language;
		(t !== this.#n.language || this.texts !== this.#r) && (this.#r = this.texts, this.#n = new Tr({
			...pt,
			...this.texts
		}, t));
	}
	render() {
		let e = this.#p();
		return M`
      ${gt(e)} ${Ot(e, this.#T)}
      <div class="hidden" role="status" aria-live="polite" part="announcements">${this.#c.text || F}</div>
    `;
	}
	updated(e) {
		let t = this.#f(".panel");
		e.has("open") && t && this.open !== t.matches(":popover-open") && (this.open ? t.showPopover() : t.hidePopover()), this.#d.follow(this.#f(".list"), this.#f(".end")), this.open && this.#b();
	}
	#f(e) {
		return this.shadowRoot?.querySelector(e) ?? null;
	}
	#p() {
		let e = this.#t, t = e.items.some(({ id: e }) => e === this._current);
		return {
			snapshot: e,
			words: this.#n,
			counts: this.counts === "unseen" ? "unseen" : "unread",
			open: this.open,
			now: this._now,
			current: t ? this._current : e.items[0]?.id ?? null,
			expanded: this._expanded,
			scrolls: this.#d.works,
			dismissed: this._dismissed
		};
	}
	#m() {
		if (this.#h(), !this.userId) return;
		let e = pr({
			endpoint: this.endpoint,
			userId: this.userId,
			token: async () => (this.#a = this.getToken ?? this.token, this.getToken ? await this.getToken() : this.token),
			categories: this.categories,
			pageSize: this.pageSize
		});
		e.addEventListener("change", this.#_), e.addEventListener("arrived", this.#v), this.#e = e, this.#t = e.snapshot, this.isConnected && e.start();
	}
	#h() {
		this.#e?.removeEventListener("change", this.#_), this.#e?.removeEventListener("arrived", this.#v), this.#e?.stop(), this.#e = null, this.#t = je, this.#s = "", this._current = null, this._dismissed = "", this._expanded = /* @__PURE__ */ new Set();
	}
	#g() {
		this.#e?.stop(), this.#e?.start();
	}
	#_ = () => {
		if (!this.#e) return;
		let [e, t] = [this.#t, this.#e.snapshot];
		this.#t = t, R(t.undoable) !== this._dismissed && (this._dismissed = ""), this.#c.changed(e, t, this.open), this.requestUpdate(), t.link === "refused" && e.link !== "refused" && this.#a !== (this.getToken ?? this.token) && this.#g();
	};
	#v = (e) => {
		let { detail: t } = e;
		this._now = Date.now(), this.#c.arrived(t), this.#y("notification-arrived", t);
	};
	#y(e, t) {
		this.dispatchEvent(new CustomEvent(e, {
			bubbles: !0,
			composed: !0,
			detail: t
		}));
	}
	#b() {
		let { list: e, items: t, unseen: n } = this.#t;
		if (e !== "ready" || n.value === 0 || document.visibilityState !== "visible") return;
		let r = `${t[0]?.id} ${n.value}`;
		t.length !== 0 && r !== this.#s && (this.#s = r, this.#e?.markAllSeen());
	}
	#x() {
		let { hasMore: e, loadingMore: t, list: n, fault: r } = this.#t;
		this.open && e && !t && n === "ready" && r === null && this.#e?.loadMore();
	}
	#S = () => {
		this.open && document.visibilityState === "visible" && (this._now = Date.now(), this.requestUpdate());
	};
	#C() {
		this.#o || (this.open = this.#o = !0, this._now = Date.now(), this.#i ??= setInterval(() => this._now = Date.now(), Er), this.#u.start(), this.#f(".panel")?.focus({ preventScroll: !0 }), this.#y("inbox-open"));
	}
	#w() {
		this.#o && (this.open = this.#o = !1, clearInterval(this.#i), this.#i = void 0, this.#u.stop(), this.#y("inbox-close"));
	}
	#T = {
		toggling: ({ newState: e }) => {
			e === "closed" && this.shadowRoot?.activeElement?.closest(".panel") && this.#f(".bell")?.focus();
		},
		toggled: ({ newState: e }) => e === "open" ? this.#C() : this.#w(),
		close: () => this.#f(".panel")?.hidePopover(),
		keyOnPanel: (e) => this.#l.moveInList(e),
		keyOnTabs: (e) => this.#l.moveInTabs(e),
		filter: (e) => {
			this.#e?.setFilter({
				...this.#t.filter,
				...e
			}), this.#f(".list")?.scrollTo({ top: 0 });
		},
		activate: (e) => {
			Ye(e) && (this._expanded = jr(this._expanded, e.id)), e.readAt === null && this.#e?.markRead(e.id), this.#y("notification-activated", e);
		},
		reach: ({ id: e }) => this._current = e,
		toggleRead: ({ id: e, readAt: t }) => void (t === null ? this.#e?.markRead(e) : this.#e?.markUnread(e)),
		toggleArchived: ({ id: e, archivedAt: t }) => void (t === null ? this.#e?.archive(e) : this.#e?.unarchive(e)),
		markAllRead: () => void this.#e?.markAllRead(),
		undo: async () => {
			await this.#e?.undo(), this.#t.fault === null && this.#c.say(this.#n.texts.wasUndone);
		},
		dismiss: () => this._dismissed = R(this.#t.undoable),
		retry: () => this.#t.link === "refused" ? this.#g() : void this.#e?.reload(),
		loadMore: () => void this.#e?.loadMore()
	};
};
function jr(e, t) {
	return e.has(t) ? new Set([...e].filter((e) => e !== t)) : /* @__PURE__ */ new Set([...e, t]);
}
// src/inbox/index.ts
customElements.get("notification-inbox") || customElements.define("notification-inbox", Ar);
export { Ar as NotificationInbox, pt as english };
