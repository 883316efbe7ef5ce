using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Text.RegularExpressions;
using Llama.Bench.Processes;
using Microsoft.Win32.SafeHandles;

namespace Llama.Cluster.Tests.Processes;

/// <summary>
/// Two networks of their own on this machine, a near one and a far one, with a cable between them that can be cut (network_namespaces(7),
/// veth(4)). Nothing else reaches them, and they are removed at the end; what a run left that was killed, the next removes.
/// </summary>
internal sealed partial class SplitNetwork : IDisposable
{
    private const string Program = "ip";
    private const string Prefix = "llama-test-";
    private const string Cable = "cable";
    private const string Folder = "/run/netns";
    private const int NetworkNamespace = 0x40000000;

    /// <summary>Nobody has this hardware address.</summary>
    private const string Nowhere = "02:00:00:00:00:01";

    private readonly string near = $"{Prefix}{Environment.ProcessId}-near";
    private readonly string far = $"{Prefix}{Environment.ProcessId}-far";

    private SplitNetwork()
    {
    }

    /// <summary>The address in the near network.</summary>
    public const string NearAddress = "10.77.0.1";

    /// <summary>The address in the far network.</summary>
    public const string FarAddress = "10.77.0.2";

    /// <summary>Makes the networks, or skips the test where that cannot be done.</summary>
    public static SplitNetwork Create()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "needs Linux's network namespaces");
        string[] folders = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator);
        Assert.SkipUnless(folders.Any(folder => File.Exists(Path.Combine(folder, Program))), "needs the program ip (Debian: iproute2)");
        RemoveLeftovers();
        var network = new SplitNetwork();
        try
        {
            string? fault = network.Make();
            Assert.SkipUnless(fault is null, $"needs network namespaces, as root has them: {fault}");
            return network;
        }
        catch
        {
            network.Dispose();
            throw;
        }
    }

    /// <summary>The command, in the near network.</summary>
    public ChildCommand Near(ChildCommand command) => Within(near, command);

    /// <summary>The command, in the far network.</summary>
    public ChildCommand Far(ChildCommand command) => Within(far, command);

    /// <summary>
    /// Cuts the cable: what either side sends is lost on the way, and neither hears anything of it. Each believes to know the other's
    /// hardware address, and nobody has that.
    /// </summary>
    public void Cut()
    {
        Do("-n", near, "neighbour", "replace", FarAddress, "lladdr", Nowhere, "dev", Cable, "nud", "permanent");
        Do("-n", far, "neighbour", "replace", NearAddress, "lladdr", Nowhere, "dev", Cable, "nud", "permanent");
    }

    /// <summary>Puts the cable back.</summary>
    public void Mend()
    {
        Do("-n", near, "neighbour", "del", FarAddress, "dev", Cable);
        Do("-n", far, "neighbour", "del", NearAddress, "dev", Cable);
    }

    /// <summary>
    /// Cuts what goes between the networks to or from some TCP ports, and nothing else, in both directions: the far side has no route for
    /// it any more (ip-rule(8)).
    /// </summary>
    /// <param name="ports">The ports, of either side.</param>
    public void CutPorts(params IReadOnlyList<int> ports) => RuleOut("add", ports);

    /// <summary>Opens them again.</summary>
    /// <param name="ports">Those that were cut.</param>
    public void MendPorts(params IReadOnlyList<int> ports) => RuleOut("del", ports);

    /// <summary>Connects this process to a port in the near network: a socket belongs to the network that its thread was in.</summary>
    public async ValueTask<Stream> ConnectAsync(int port)
    {
        var connected = new TaskCompletionSource<Stream>(TaskCreationOptions.RunContinuationsAsynchronously);

        // A thread of its own, which ends with it: one of the pool would take others' work there.
        new Thread(() =>
        {
            try
            {
                connected.SetResult(Connect(port));
            }
            catch (Exception e) when (e is SocketException or IOException or UnauthorizedAccessException)
            {
                connected.SetException(e);
            }
        }).Start();
        return await connected.Task;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        // The cable ends with either.
        Run("netns", "del", near);
        Run("netns", "del", far);
    }

    private static ChildCommand Within(string network, ChildCommand command) => command with
    {
        FileName = Program,
        Arguments = ["netns", "exec", network, command.FileName, .. command.Arguments],
    };

    private static void RemoveLeftovers()
    {
        if (!Directory.Exists(Folder)) return;
        foreach (string name in Directory.EnumerateFiles(Folder).Select(file => Path.GetFileName(file)))
        {
            if (Leftover().Match(name) is { Success: true } match && !ProcessTable.IsAlive(int.Parse(match.Groups[1].ValueSpan)))
                Run("netns", "del", name);
        }
    }

    /// <returns>Why it cannot be done; null when it was.</returns>
    private string? Make() =>
        Run("netns", "add", near) ?? Run("netns", "add", far)
        ?? Run("link", "add", Cable, "netns", near, "type", "veth", "peer", "name", Cable, "netns", far)
        ?? Raise(near, NearAddress) ?? Raise(far, FarAddress) ?? Run("netns", "exec", near, "true");

    private static string? Raise(string network, string address) =>
        Run("-n", network, "link", "set", "lo", "up") ?? Run("-n", network, "address", "add", $"{address}/30", "dev", Cable)
        ?? Run("-n", network, "link", "set", Cable, "up");

    private void RuleOut(string change, IReadOnlyList<int> ports)
    {
        foreach (int port in ports)
        {
            foreach (string end in (string[])["sport", "dport"])
                Do("-n", far, "rule", change, "to", NearAddress, "ipproto", "tcp", end, $"{port}", "blackhole");
        }
    }

    private static void Do(params string[] arguments) => Assert.Null(Run(arguments));

    /// <returns>What it complains of; null when it has done it.</returns>
    private static string? Run(params string[] arguments)
    {
        var start = new ProcessStartInfo(Program, arguments) { RedirectStandardError = true };
        using Process ip = Process.Start(start)!;
        string complaint = ip.StandardError.ReadToEnd().Trim();
        ip.WaitForExit();
        return ip.ExitCode == 0 ? null : $"ip {string.Join(' ', arguments)}: {complaint}";
    }

    private NetworkStream Connect(int port)
    {
        using (SafeFileHandle handle = File.OpenHandle(Path.Combine(Folder, near)))
        {
            if (SetNamespace(handle, NetworkNamespace) != 0) throw new IOException($"setns: {Marshal.GetLastPInvokeErrorMessage()}");
        }

        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            socket.Connect(IPAddress.Parse(NearAddress), port);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    [LibraryImport("libc", EntryPoint = "setns", SetLastError = true)]
    private static partial int SetNamespace(SafeFileHandle file, int kind);

    [GeneratedRegex($"^{Prefix}([0-9]+)-")]
    private static partial Regex Leftover();
}
