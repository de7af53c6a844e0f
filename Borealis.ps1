<#
.SYNOPSIS
    Borealis on Windows: finds a Python and hands over to Data\Bootstrap. Everything else is there.

.DESCRIPTION
    -Agent               install the agent of this machine as scheduled tasks (run as Administrator)
    -EngineProduction    run the Engine in the foreground; -Server means the same
    -EngineDev           the same, with troubleshooting lines in the logs
    -EngineTests         run the tests
    -EnrollmentCode      with -Agent: an enrolment token, from: .\Borealis.ps1 cli codes create
    -ServerUrl           with -Agent and a bare code: the Engine, https://host[:port]
    -TrustOnFirstUse     with a bare code: pin the first Engine that answers
    -Uninstall, -Purge   take services and runtimes away; with -Purge the data too

    Every command of Borealis.sh works as well: .\Borealis.ps1 status --json, .\Borealis.ps1 cli devices

.EXAMPLE
    .\Borealis.ps1 -Agent -EnrollmentCode 'https://engine.example:5000#0123-...'
#>
[CmdletBinding(PositionalBinding = $false)]
param(
    [switch]$Agent,
    [switch]$Server,
    [switch]$EngineProduction,
    [switch]$EngineDev,
    [switch]$EngineTests,
    [string]$EnrollmentCode = '',
    [string]$ServerUrl = '',
    [switch]$TrustOnFirstUse,
    [switch]$Uninstall,
    [switch]$Purge,
    [Parameter(ValueFromRemainingArguments = $true)]
    [string[]]$Rest = @()
)

Set-StrictMode -Version 2.0
$ErrorActionPreference = 'Stop'

# The interpreter behind a name, if it is new enough. The one in the store's place is only a link to the store.
function Find-Interpreter {
    param([string]$Name, [string[]]$Before)

    $command = Get-Command -Name $Name -CommandType Application -ErrorAction SilentlyContinue | Select-Object -First 1
    if ($null -eq $command) { return '' }
    $question = 'import sys; sys.version_info >= (3, 11) and print(sys.executable)'
    try {
        $found = & $command.Source @Before -I -S -c $question 2>$null
    }
    catch {
        return ''
    }
    if ($LASTEXITCODE -ne 0 -or $null -eq $found) { return '' }
    return [string]($found | Select-Object -First 1)
}

function Get-Python {
    if ($env:BOREALIS_PYTHON) {
        $found = Find-Interpreter -Name $env:BOREALIS_PYTHON -Before @()
        if ($found) { return $found }
    }
    $found = Find-Interpreter -Name 'py' -Before @('-3')
    if ($found) { return $found }
    foreach ($name in @('python3', 'python')) {
        $found = Find-Interpreter -Name $name -Before @()
        if ($found) { return $found }
    }
    return ''
}

function Get-CommandLine {
    $modes = @($Agent, $Server, $EngineProduction, $EngineDev, $EngineTests, $Uninstall) | Where-Object { $_ }
    if (@($modes).Count -gt 1) {
        throw 'Choose one of -Agent, -Server, -EngineProduction, -EngineDev, -EngineTests and -Uninstall.'
    }
    $line = @()
    if ($Agent) { $line += 'agent' }
    if ($Server -or $EngineProduction) { $line += 'engine' }
    if ($EngineDev) { $line += @('engine', '--dev') }
    if ($EngineTests) { $line += 'test' }
    if ($Uninstall) { $line += 'uninstall' }
    if ($EnrollmentCode) { $line += @('--enrollment-code', $EnrollmentCode) }
    if ($ServerUrl) { $line += @('--server-url', $ServerUrl) }
    if ($TrustOnFirstUse) { $line += '--trust-on-first-use' }
    if ($Purge) { $line += '--purge' }
    return @($line) + @($Rest)
}

$python = Get-Python
if (-not $python) {
    [Console]::Error.WriteLine('borealis: Python 3.11 or later is needed: install it for all users, or name one in BOREALIS_PYTHON.')
    exit 1
}
try {
    $line = @(Get-CommandLine)
}
catch {
    [Console]::Error.WriteLine("borealis: $($_.Exception.Message)")
    exit 2
}
$start = Join-Path -Path $PSScriptRoot -ChildPath 'Data\Bootstrap\start.py'
& $python -I $start @line
exit $LASTEXITCODE
