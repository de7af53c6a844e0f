/** What is typed on a device to enrol it. A token has no quotes, spaces or line ends; it is put in quotes all the same. */

export interface Command {
  title: string;
  about: string;
  command: string;
}

function bare(token: string): string {
  return token.replaceAll(/[^\w:/#.[\]-]/g, "");
}

export function commandsFor(token: string): { linux: Command[]; windows: Command[] } {
  const quoted = `'${bare(token)}'`;
  return {
    linux: [
      {
        title: "As a service",
        about: "Starts with the machine, as root. In a checkout of Borealis:",
        command: `sudo ./Borealis.sh install agent --enrollment-code ${quoted}`,
      },
      {
        title: "For a try, without root",
        about: "Runs with the rights of whoever starts it, until the machine restarts:",
        command: `./Borealis.sh agent --enrollment-code ${quoted} --detach`,
      },
    ],
    windows: [
      {
        title: "As a service",
        about: "In PowerShell as administrator, in a checkout of Borealis:",
        command: `.\\Borealis.ps1 -Agent -EnrollmentCode ${quoted}`,
      },
    ],
  };
}
