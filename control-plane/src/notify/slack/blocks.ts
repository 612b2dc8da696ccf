import { type Message, textOf } from "../message.ts";

/** Slack's own bounds (api.slack.com/reference/block-kit/blocks), where they are narrower than a message is. */
const MAX_HEADER_LENGTH = 150;
const MAX_FIELDS = 10;
const MAX_FIELD_TEXT_LENGTH = 2_000;

const signs = { info: "", action: "✋ ", alarm: "🚨 " } as const;

/**
 * A message in Block Kit. Everything that comes from outside is plain text, or escaped and `verbatim`, so that nobody can ring a
 * bell (`<!channel>`), forge a link or break out of the code that they stand in.
 */
export function slackBody({ title, urgency, fields, next }: Message): string {
  const rows = fields.map(({ name, value }) => mrkdwn(`*${escaped(name)}*\n${escaped(textOf(value)).slice(0, MAX_FIELD_TEXT_LENGTH - name.length - 10)}`));
  const sections = Array.from({ length: Math.ceil(rows.length / MAX_FIELDS) }, (_, i) => ({
    type: "section",
    fields: rows.slice(i * MAX_FIELDS, (i + 1) * MAX_FIELDS),
  }));
  const buttons = next.flatMap(({ label, link }) => (link === undefined ? [] : [{ type: "button", text: plain(label), url: link }]));
  const commands = next.map(({ label, command }) => `${escaped(label)}: \`${escaped(command).replaceAll("`", "'")}\``);
  return JSON.stringify({
    text: escaped(title),
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
const plain = (text: string) => ({ type: "plain_text", text, emoji: true }) as const;
