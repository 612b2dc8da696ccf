/** Groups that the control plane itself knows; everything about targets is policy's. */
export const ADMINS = "admins";
export const AUDITORS = "auditors";
