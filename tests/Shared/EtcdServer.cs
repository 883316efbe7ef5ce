using System.Diagnostics;
using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using Llama.Grains.Hosting;

namespace Llama.Tests;

/// <summary>A real etcd on this machine, with its data in a temporary folder, that is killed at the end of a test.</summary>
internal sealed class EtcdServer : IDisposable
{
    private const string Program = "etcd";
    private static readonly TimeSpan StartDeadline = TimeSpan.FromSeconds(30);

    private readonly TemporaryFolder folder = new();
    private readonly int port = FreePort.Choose();
    private readonly int peerPort = FreePort.Choose();
    private readonly string? tls;
    private Process? process;

    private EtcdServer(string? tls) => this.tls = tls;

    /// <summary>Whether the program is on this machine.</summary>
    public static bool IsThere { get; } = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator)
        .Any(folder => File.Exists(Path.Combine(folder, Program)));

    /// <summary>Its client port.</summary>
    public int Port => port;

    /// <summary>The address of a directory in it.</summary>
    /// <param name="prefix">Before the keys.</param>
    public string Address(string prefix = "llama") => $"{(tls is null ? "etcd" : "etcds")}://127.0.0.1:{port}/{prefix}";

    /// <summary>Starts a server with no data, or skips the test where the program is not there.</summary>
    /// <param name="tls">A folder for <c>--tls</c>, for a server that speaks TLS only and asks for a certificate; null for none.</param>
    public static async Task<EtcdServer> StartNewAsync(string? tls = null)
    {
        Assert.SkipUnless(IsThere, "needs the program etcd (Debian: etcd-server)");
        var server = new EtcdServer(tls);
        await server.StartAsync();
        return server;
    }

    /// <summary>Starts it, after <see cref="Kill"/> with the data that it had.</summary>
    public async Task StartAsync()
    {
        string client = $"{(tls is null ? "http" : "https")}://127.0.0.1:{port}";
        string peer = $"http://127.0.0.1:{peerPort}";
        var start = new ProcessStartInfo(Program) { RedirectStandardError = true, RedirectStandardOutput = true };
        foreach (string argument in (string[])
            [
                $"--data-dir={folder["data"]}", $"--listen-client-urls={client}", $"--advertise-client-urls={client}",
                $"--listen-peer-urls={peer}", $"--initial-advertise-peer-urls={peer}", $"--initial-cluster=default={peer}",
                "--heartbeat-interval=50", "--election-timeout=300", .. TlsArguments(),
            ])
        {
            start.ArgumentList.Add(argument);
        }

        process = Process.Start(start)!;
        process.OutputDataReceived += (_, _) => { };
        process.ErrorDataReceived += (_, _) => { };
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        using var http = new HttpClient(Handler()) { Timeout = TimeSpan.FromSeconds(2) };
        long since = Stopwatch.GetTimestamp();
        while (!await AnswersAsync(http, client))
        {
            Assert.False(process.HasExited, "etcd has ended");
            Assert.True(Stopwatch.GetElapsedTime(since) < StartDeadline, "etcd does not answer");
            await Task.Delay(20, TestContext.Current.CancellationToken);
        }
    }

    /// <summary>Kills it (SIGKILL).</summary>
    public void Kill()
    {
        if (process is null) return;
        process.Kill();
        process.WaitForExit();
        process.Dispose();
        process = null;
    }

    /// <summary>Sends it a signal, named without SIG.</summary>
    public void Signal(string signal)
    {
        using Process kill = Process.Start("/bin/sh", ["-c", $"kill -{signal} {process!.Id}"]);
        kill.WaitForExit();
        Assert.Equal(0, kill.ExitCode);
    }

    /// <summary>Deletes the data of a server that was killed.</summary>
    public void Forget() => Directory.Delete(folder["data"], recursive: true);

    /// <inheritdoc/>
    public void Dispose()
    {
        Kill();
        folder.Dispose();
    }

    private string[] TlsArguments() => tls is null ? [] :
    [
        $"--cert-file={Path.Combine(tls, "node.pem")}", $"--key-file={Path.Combine(tls, "node.key")}",
        $"--trusted-ca-file={Path.Combine(tls, "ca.pem")}", "--client-cert-auth",
    ];

    private SocketsHttpHandler Handler()
    {
        var handler = new SocketsHttpHandler { UseProxy = false };
        if (tls is null) return handler;
        handler.SslOptions.ClientCertificates =
            [X509Certificate2.CreateFromPemFile(Path.Combine(tls, "node.pem"), Path.Combine(tls, "node.key"))];
        handler.SslOptions.RemoteCertificateValidationCallback =
            (_, _, _, errors) => !errors.HasFlag(SslPolicyErrors.RemoteCertificateNotAvailable);
        return handler;
    }

    private static async Task<bool> AnswersAsync(HttpClient http, string client)
    {
        try
        {
            string health = await http.GetStringAsync(new Uri($"{client}/health"), TestContext.Current.CancellationToken);
            return health.Contains("\"true\"", StringComparison.Ordinal);
        }
        catch (Exception e) when (e is HttpRequestException or TaskCanceledException)
        {
            TestContext.Current.CancellationToken.ThrowIfCancellationRequested();
            return false;
        }
    }
}
