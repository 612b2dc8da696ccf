import { type Message, textOf } from "../message.ts";

/** Slack's own bounds (api.slack.com/reference/block-kit/blocks), where they are narrower than a message is. */
const MAX_HEADER_LENGTH = 150;
/** Of texts, in two columns: names and values. */
const MAX_FIELDS = 10;
const MAX_FIELD_TEXT_LENGTH = 2_000;

const signs = { info: "", action: "✋ ", alarm: "🚨 " } as const;

/**
 * A message in Block Kit. Everything that comes from outside is plain text, or escaped and `verbatim`, so that nobody can ring a
 * bell (`<!channel>`), forge a link or break out of the code that they stand in. A value stands beside its name, in a text of its
 * own without markup, so that it cannot look like the name of another one either.
 */
export function slackBody({ title, urgency, fields, next }: Message): string {
  const texts = fields.flatMap(({ name, value }) => [mrkdwn(`*${escaped(name)}*`), plain(textOf(value).slice(0, MAX_FIELD_TEXT_LENGTH))]);
  const sections = Array.from({ length: Math.ceil(texts.length / MAX_FIELDS) }, (_, i) => ({
    type: "section",
    fields: texts.slice(i * MAX_FIELDS, (i + 1) * MAX_FIELDS),
  }));
  const buttons = next.flatMap(({ label, link }) => (link === undefined ? [] : [{ type: "button", text: plain(label), url: link }]));
  const commands = next.map(({ label, command }) => `${escaped(label)}: \`${escaped(command).replaceAll("`", "'")}\``);
  return JSON.stringify({
    text: escaped(title),
    mrkdwn: false,
    unfurl_links: false,
    unfurl_media: false,
    blocks: [
      { type: "header", text: plain(`${signs[urgency]}${title}`.slice(0, MAX_HEADER_LENGTH)) },
      ...sections,
      ...(commands.length === 0 ? [] : [{ type: "section", text: mrkdwn(commands.join("\n")) }]),
      ...(buttons.length === 0 ? [] : [{ type: "actions", elements: buttons }]),
    ],
  });
}

/** The three characters that mean something to Slack. */
const escaped = (text: string): string => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

const mrkdwn = (text: string) => ({ type: "mrkdwn", text, verbatim: true }) as const;
/** Signs of ours are characters; `:word:` of somebody else stays a word. */
const plain = (text: string) => ({ type: "plain_text", text, emoji: false }) as const;
