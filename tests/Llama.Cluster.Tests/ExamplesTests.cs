using System.Diagnostics;
using System.Text.RegularExpressions;
using Llama.Gateway;
using Llama.Grains.Certificates;
using Llama.Grains.Settings;
using Llama.Silo;
using Llama.Tests;

namespace Llama.Cluster.Tests;

/// <summary>The command lines of the documentation for operators: the programs take them.</summary>
public sealed partial class ExamplesTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    /// <summary>The files, and how many command lines of gateways and silos each has.</summary>
    public static TheoryData<string, int> Files => new()
    {
        { "deploy/systemd/llama-gateway.service", 1 },
        { "deploy/systemd/llama-silo.service", 1 },
        { "deploy/kubernetes/llama.yaml", 2 },
        { "docs/operations.md", 12 },
    };

    /// <inheritdoc/>
    public void Dispose() => folder.Dispose();

    [Theory]
    [MemberData(nameof(Files))]
    public void CommandLines_OfAFile_AreAllowed(string file, int count)
    {
        CertificateAuthority.Open(folder["authority"], "test", TimeProvider.System).Issue(folder["tls"], "machine-1");
        folder.Write("cluster.key", "the key of this cluster");
        string text = File.ReadAllText(Path.Combine(TestPaths.Root, file));

        (string Program, string[] Arguments)[] commands = [.. Shell(text), .. Manifest(text)];

        Assert.Equal(count, commands.Length);
        foreach ((string program, string[] arguments) in commands)
        {
            string[] real = [.. arguments.Select(Real)];
            int code = program == "Gateway"
                ? SettingsReader.Read<GatewayOptions>(real).ExitCode
                : SettingsReader.Read<SiloOptions>(real).ExitCode;
            Assert.True(code == 0, $"{file}: Llama.{program} {string.Join(' ', real)}");
        }
    }

    /// <summary>The units of systemd, with programs that are there in the place of those of a real machine.</summary>
    [Theory]
    [InlineData("gateway")]
    [InlineData("silo")]
    public async Task Units_ReadBySystemd_HaveNoFault(string name)
    {
        const string Verifier = "/usr/bin/systemd-analyze";
        Assert.SkipUnless(File.Exists(Verifier), "needs systemd-analyze");
        string unit = folder.Write($"llama-{name}.service", UnitCommand().Replace(
            File.ReadAllText(Path.Combine(TestPaths.Root, $"deploy/systemd/llama-{name}.service")), "ExecStart=/bin/true "));

        using var process = Process.Start(new ProcessStartInfo(Verifier, ["verify", "--man=no", unit]) { RedirectStandardError = true })!;
        string faults = await process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);

        Assert.Equal((0, ""), (process.ExitCode, faults));
    }

    /// <summary>Commands as a shell or a unit of systemd has them, over several lines perhaps.</summary>
    private static IEnumerable<(string Program, string[] Arguments)> Shell(string text) =>
        from Match match in ShellCommand().Matches(Continuation().Replace(text, " "))
        select (match.Groups["program"].Value, match.Groups["arguments"].Value.Split(' ', StringSplitOptions.RemoveEmptyEntries));

    /// <summary>Commands as a manifest of Kubernetes has them: the program, and below it a list.</summary>
    private static IEnumerable<(string Program, string[] Arguments)> Manifest(string text) =>
        from Match match in ManifestCommand().Matches(text)
        select (match.Groups["program"].Value, match.Groups["argument"].Captures.Select(one => one.Value).ToArray());

    /// <summary>What stands for things of a real machine.</summary>
    private string Real(string argument) => argument
        .Replace("/models/Llama-3.1-70B-Instruct", TestPaths.TinyStories, StringComparison.Ordinal)
        .Replace("/etc/llama/cluster.key", folder["cluster.key"], StringComparison.Ordinal)
        .Replace("/key/cluster.key", folder["cluster.key"], StringComparison.Ordinal)
        .Replace("/etc/llama/tls", folder["tls"], StringComparison.Ordinal)
        .Replace("--tls=/tls", $"--tls={folder["tls"]}", StringComparison.Ordinal)
        .Replace("$(POD_NAME)", "silo-0", StringComparison.Ordinal)
        .Replace("$(POD_IP)", "10.1.2.3", StringComparison.Ordinal)
        .Replace("%H", "machine-2", StringComparison.Ordinal);

    [GeneratedRegex(@"ExecStart=\S+ ")]
    private static partial Regex UnitCommand();

    [GeneratedRegex(@"\\\n\s*")]
    private static partial Regex Continuation();

    [GeneratedRegex(@"^(ExecStart=| {4})\S*/Llama\.(?<program>Gateway|Silo) +(?<arguments>--.+)$", RegexOptions.Multiline)]
    private static partial Regex ShellCommand();

    [GeneratedRegex(@"command: \[""/app/Llama\.(?<program>Gateway|Silo)""\]\n(?:(?! *args:).*\n)* *args:\n(?: *- (?<argument>--\S+)\n)+")]
    private static partial Regex ManifestCommand();
}
