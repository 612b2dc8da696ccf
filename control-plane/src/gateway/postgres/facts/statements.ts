import { administrationStatements } from "./statements-administration.ts";
import { dataStatements } from "./statements-data.ts";
import { definitionStatements } from "./statements-definition.ts";
import type { StatementHandlers } from "./statement-handlers.ts";
import { sessionStatements } from "./statements-session.ts";

/** Every kind of statement and what it means. The type makes it complete; what is not here at run time is unclassified. */
export const statements: StatementHandlers = { ...dataStatements, ...definitionStatements, ...administrationStatements, ...sessionStatements };
