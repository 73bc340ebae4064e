/** The two ids that make a membership. */
export interface MemberId {
  readonly teamId: string;
  readonly userId: string;
}

/** `search/ana`, each percent-encoded. */
export function formatMemberId({ teamId, userId }: MemberId): string {
  return `${encodeURIComponent(teamId)}/${encodeURIComponent(userId)}`;
}

/** @throws Error where it is none */
export function parseMemberId(id: string): MemberId {
  const [teamId, userId, ...others] = id.split("/").map(decodeURIComponent);
  if (!teamId || !userId || others.length > 0) {
    throw new Error(
      `"${id}" is no member of a team: write the ids of both, each percent-encoded, such as search/ana`,
    );
  }
  return { teamId, userId };
}
