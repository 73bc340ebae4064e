/** As LiteLLM makes ids up. Source: schema.prisma, `@default(uuid())`. */
const GENERATED_ID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Whether LiteLLM, and nobody else, has chosen this id. */
export const isGeneratedId = (id: unknown): id is string =>
  typeof id === "string" && GENERATED_ID.test(id);
