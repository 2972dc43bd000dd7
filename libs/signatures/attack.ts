/**
 * The MITRE ATT&CK Enterprise techniques our signatures name. A technique with several tactics is filed under the one
 * its signatures show. Ids and tactics are those of ATT&CK 19 (April 2026), which split Defense Evasion into Stealth and
 * Defense Impairment and gave T1562 and its sub-techniques new ids.
 *
 * @see https://attack.mitre.org/techniques/enterprise/
 */
const table = {
  T1071: ['command and control', 'Application Layer Protocol', 'Talks to a server over a common protocol.'],
  'T1090.003': [
    'command and control',
    'Proxy: Multi-hop Proxy',
    'Hides where it connects to behind several proxies.',
  ],
  T1102: ['command and control', 'Web Service', 'Uses a public web service to reach its operator.'],
  'T1003.008': [
    'credential access',
    'OS Credential Dumping: /etc/passwd and /etc/shadow',
    'Reads the password hashes of the system.',
  ],
  T1014: ['stealth', 'Rootkit', 'Hides its presence by changing what the system reports.'],
  T1016: [
    'discovery',
    'System Network Configuration Discovery',
    'Looks at interfaces, addresses and routes.',
  ],
  'T1027.002': [
    'stealth',
    'Obfuscated Files or Information: Software Packing',
    'The program is packed and unpacks itself in memory.',
  ],
  'T1027.010': [
    'stealth',
    'Obfuscated Files or Information: Command Obfuscation',
    'A command line is encoded so that it cannot be read.',
  ],
  T1033: ['discovery', 'System Owner/User Discovery', 'Asks who is using the system.'],
  'T1036.005': [
    'stealth',
    'Masquerading: Match Legitimate Resource Name or Location',
    'Takes a name or place that belongs to something harmless.',
  ],
  'T1037.004': [
    'persistence',
    'Boot or Logon Initialization Scripts: RC Scripts',
    'Is started by a script that runs at boot.',
  ],
  T1046: ['discovery', 'Network Service Discovery', 'Looks for services on other hosts.'],
  T1049: ['discovery', 'System Network Connections Discovery', 'Lists the connections of the system.'],
  'T1053.003': ['persistence', 'Scheduled Task/Job: Cron', 'Is started by cron.'],
  'T1053.006': ['persistence', 'Scheduled Task/Job: Systemd Timers', 'Is started by a systemd timer.'],
  'T1055.008': [
    'stealth',
    'Process Injection: Ptrace System Calls',
    'Changes another process through ptrace.',
  ],
  T1057: ['discovery', 'Process Discovery', 'Lists running processes.'],
  'T1059.004': [
    'execution',
    'Command and Scripting Interpreter: Unix Shell',
    'Runs commands through a shell.',
  ],
  'T1070.003': [
    'stealth',
    'Indicator Removal: Clear Command History',
    'Removes or disables the history of commands.',
  ],
  'T1685.006': [
    'defense impairment',
    'Disable or Modify Tools: Clear Linux or Mac System Logs',
    'Removes or empties system logs.',
  ],
  'T1070.004': ['stealth', 'Indicator Removal: File Deletion', 'Deletes its own files.'],
  'T1070.006': ['stealth', 'Indicator Removal: Timestomp', 'Sets the times of a file.'],
  'T1071.001': [
    'command and control',
    'Application Layer Protocol: Web Protocols',
    'Talks to a server over HTTP or HTTPS.',
  ],
  'T1071.003': [
    'command and control',
    'Application Layer Protocol: Mail Protocols',
    'Talks over a mail protocol.',
  ],
  T1082: ['discovery', 'System Information Discovery', 'Asks about the operating system and hardware.'],
  'T1098.004': ['persistence', 'Account Manipulation: SSH Authorized Keys', 'Adds a key that may log in.'],
  T1105: ['command and control', 'Ingress Tool Transfer', 'Fetches a file from outside.'],
  'T1136.001': ['persistence', 'Create Account: Local Account', 'Adds a user account.'],
  T1140: ['stealth', 'Deobfuscate/Decode Files or Information', 'Decodes what it brought along.'],
  'T1222.002': [
    'defense impairment',
    'File and Directory Permissions Modification: Linux and Mac',
    'Changes modes or attributes of files.',
  ],
  T1485: ['impact', 'Data Destruction', 'Destroys files.'],
  T1486: ['impact', 'Data Encrypted for Impact', 'Encrypts files.'],
  T1489: ['impact', 'Service Stop', 'Stops services or processes.'],
  'T1496.001': ['impact', 'Resource Hijacking: Compute Hijacking', 'Uses the machine to mine.'],
  'T1497.001': [
    'stealth',
    'Virtualization/Sandbox Evasion: System Checks',
    'Looks for signs of a virtual machine.',
  ],
  'T1499.001': ['impact', 'Endpoint Denial of Service: OS Exhaustion Flood', 'Exhausts the system.'],
  'T1543.002': [
    'persistence',
    'Create or Modify System Process: Systemd Service',
    'Is started as a systemd service.',
  ],
  'T1546.004': [
    'persistence',
    'Event Triggered Execution: Unix Shell Configuration Modification',
    'Is started by a login shell.',
  ],
  'T1547.006': [
    'persistence',
    'Boot or Logon Autostart Execution: Kernel Modules and Extensions',
    'Loads a kernel module.',
  ],
  'T1547.013': [
    'persistence',
    'Boot or Logon Autostart Execution: XDG Autostart Entries',
    'Is started with the desktop.',
  ],
  'T1548.001': [
    'privilege escalation',
    'Abuse Elevation Control Mechanism: Setuid and Setgid',
    'Marks a file to run with its owner’s rights.',
  ],
  'T1552.001': [
    'credential access',
    'Unsecured Credentials: Credentials In Files',
    'Reads credentials kept in files.',
  ],
  'T1552.003': [
    'credential access',
    'Unsecured Credentials: Shell History',
    'Reads the history of commands.',
  ],
  'T1552.004': ['credential access', 'Unsecured Credentials: Private Keys', 'Reads private keys.'],
  'T1555.003': [
    'credential access',
    'Credentials from Password Stores: Credentials from Web Browsers',
    'Reads the credential stores of browsers.',
  ],
  T1685: ['defense impairment', 'Disable or Modify Tools', 'Stops or changes security tools.'],
  T1690: ['defense impairment', 'Prevent Command History Logging', 'Keeps commands out of the history.'],
  T1686: ['defense impairment', 'Disable or Modify System Firewall', 'Opens or removes the firewall.'],
  'T1685.004': [
    'defense impairment',
    'Disable or Modify Tools: Disable or Modify Linux Audit System',
    'Stops auditing.',
  ],
  'T1564.001': [
    'stealth',
    'Hide Artifacts: Hidden Files and Directories',
    'Hides files behind a leading dot.',
  ],
  'T1568.002': [
    'command and control',
    'Dynamic Resolution: Domain Generation Algorithms',
    'Tries many generated names.',
  ],
  T1571: ['command and control', 'Non-Standard Port', 'Talks over an unusual port.'],
  'T1574.006': [
    'persistence',
    'Hijack Execution Flow: Dynamic Linker Hijacking',
    'Has its library loaded into other programs.',
  ],
  T1620: ['stealth', 'Reflective Code Loading', 'Runs a program that is in no file.'],
  T1622: ['stealth', 'Debugger Evasion', 'Looks for or keeps out a debugger.'],
  T1110: ['credential access', 'Brute Force', 'Tries many logins.'],
} as const satisfies Record<string, readonly [tactic: string, short: string, long: string]>;

export type TechniqueId = keyof typeof table;
export type Tactic = (typeof table)[TechniqueId][0];

export const TECHNIQUES: ReadonlyMap<
  string,
  { readonly tactic: Tactic; readonly short: string; readonly long: string }
> = new Map(Object.entries(table).map(([id, [tactic, short, long]]) => [id, { tactic, short, long }]));

export function isTechnique(id: string): id is TechniqueId {
  return TECHNIQUES.has(id);
}

/** `ttp` of a match, in the order the signature gives. */
export function describeTechniques(
  ids: readonly TechniqueId[],
): Readonly<Record<string, { readonly short: string; readonly long: string }>> {
  return Object.fromEntries(ids.map((id) => [id, { short: table[id][1], long: table[id][2] }]));
}
