interface ResourceData {
  readonly name: string;
  readonly protocol: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly agentId: string;
}

export type ResourceEvent =
  | { readonly type: "ResourceRegistered"; readonly data: ResourceData }
  | { readonly type: "ResourceChanged"; readonly data: ResourceData }
  | { readonly type: "ResourceRetired"; readonly data: { readonly name: string; readonly agentId: string } };

export const resourceStream = (name: string): string => `resource-${name}`;
