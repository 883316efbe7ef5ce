namespace Llama.Grains.Settings;

/// <summary>A process's options, or why it should end now.</summary>
/// <typeparam name="T">The options record.</typeparam>
/// <param name="Options">The valid options; null when the process should end with <paramref name="ExitCode"/>.</param>
/// <param name="ExitCode">
/// 0 after <c>--help</c> or <c>--version</c>, <see cref="SettingsReader.FaultExitCode"/> after a wrong option.
/// </param>
public sealed record SettingsResult<T>(T? Options, int ExitCode)
    where T : class;
