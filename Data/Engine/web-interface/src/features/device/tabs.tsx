export { ActivityTab } from "./ActivityTab";
export { HardwareTab } from "./HardwareTab";
export { NetworkTab } from "./NetworkTab";
export { RolesTab } from "./RolesTab";
export { SoftwareTab } from "./SoftwareTab";
export { StorageTab } from "./StorageTab";
export { SummaryTab } from "./SummaryTab";
export { UsersTab } from "./UsersTab";
