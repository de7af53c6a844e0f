export const TABS: readonly { value: string; label: string }[] = [
  { value: "summary", label: "Summary" },
  { value: "hardware", label: "Hardware" },
  { value: "storage", label: "Storage" },
  { value: "network", label: "Network" },
  { value: "software", label: "Software" },
  { value: "users", label: "Users" },
  { value: "screen", label: "Screen" },
  { value: "shell", label: "Shell" },
  { value: "macro", label: "Macro" },
  { value: "activity", label: "Activity" },
  { value: "roles", label: "Roles" },
  { value: "logs", label: "Logs" },
];
