"use strict";

// patch makes an element like another one, and leaves alone what is the same: where the focus is,
// what was typed, and what a screen reader has read.
function patch(old, now) {
	for (const { name } of [...old.attributes]) {
		if (!now.hasAttribute(name)) old.removeAttribute(name);
	}
	for (const { name, value } of now.attributes) {
		if (old.getAttribute(name) !== value) old.setAttribute(name, value);
	}
	patchChildren(old, now);
}

function same(a, b) {
	return a !== null && a.nodeType === b.nodeType && a.nodeName === b.nodeName && (a.id || "") === (b.id || "");
}

function patchChildren(old, now) {
	const stay = new Set([...now.children].map((child) => child.id).filter(Boolean));
	for (const child of [...old.children]) {
		if (child.id && !stay.has(child.id)) child.remove();
	}
	let at = old.firstChild;
	for (const child of [...now.childNodes]) {
		let found = same(at, child) ? at : null;
		if (!found && child.id) {
			found = [...old.children].find((other) => same(other, child)) || null;
		}
		if (!found) {
			old.insertBefore(document.importNode(child, true), at);
			continue;
		}
		if (found === at) at = at.nextSibling;
		else old.insertBefore(found, at);
		if (found.nodeType === Node.ELEMENT_NODE) patch(found, child);
		else if (found.data !== child.data) found.data = child.data;
	}
	while (at) {
		const next = at.nextSibling;
		at.remove();
		at = next;
	}
}

// follow keeps the status as it is. What does not answer is said.
function follow(live) {
	const connection = document.getElementById("connection");
	const say = (text) => { if (connection.textContent !== text) connection.textContent = text; };
	const events = new EventSource("/events");
	events.addEventListener("status", (event) => {
		const focused = live.contains(document.activeElement);
		const now = new DOMParser().parseFromString(event.data, "text/html");
		patchChildren(live, now.body);
		if (focused && !live.contains(document.activeElement)) live.focus();
		say("");
	});
	events.addEventListener("ended", () => {
		events.close();
		say("mcfs has ended: this is how it was.");
	});
	events.onerror = () => {
		say(events.readyState === EventSource.CLOSED ? "mcfs does not answer: this is how it was. Open the address anew that it tells." : "mcfs does not answer: this is how it was.");
	};
}

function copy(button) {
	const value = document.getElementById(button.dataset.copy);
	const name = document.getElementById(button.dataset.copy + "-name").textContent;
	const copied = document.getElementById("copied");
	navigator.clipboard.writeText(value.textContent).then(
		() => { copied.textContent = name + " is copied."; },
		() => {
			getSelection().selectAllChildren(value);
			copied.textContent = name + " is selected: the browser does not let it be copied.";
		},
	);
}

const live = document.getElementById("live");
if (live) follow(live);
for (const button of document.querySelectorAll("button[data-copy]")) {
	button.hidden = false;
	button.addEventListener("click", () => copy(button));
}
