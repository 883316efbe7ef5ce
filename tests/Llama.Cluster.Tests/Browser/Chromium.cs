using System.Text.Json;
using System.Text.RegularExpressions;
using Llama.Bench.Processes;
using Llama.Cluster.Tests.Processes;
using Llama.Tests;

namespace Llama.Cluster.Tests.Browser;

/// <summary>A headless Chromium with a profile of its own.</summary>
internal sealed partial class Chromium : IDisposable
{
    private static readonly TimeSpan StartDeadline = TimeSpan.FromSeconds(60);

    private readonly TemporaryFolder profile = new();
    private readonly RunningProgram program;

    private Chromium(string executable) => program = new RunningProgram(new ChildCommand(
        "chromium",
        executable,
        [
            "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
            "--disable-component-update", "--disable-sync", "--no-proxy-server", "--disable-dev-shm-usage", "--window-size=1100,1000",
            "--remote-debugging-port=0", $"--user-data-dir={profile.Path}", "about:blank",
        ]));

    /// <summary>Where the browser is installed, or null.</summary>
    public static string? Find()
    {
        string[] folders = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator);
        return (from folder in folders
                from name in (string[])["chromium", "chromium-browser", "google-chrome"]
                let path = Path.Combine(folder, name)
                where File.Exists(path)
                select path).FirstOrDefault();
    }

    /// <summary>Starts the browser.</summary>
    public static async Task<Chromium> StartAsync(string executable)
    {
        var browser = new Chromium(executable);
        try
        {
            await browser.program.SaysAsync("DevTools listening on ws://", StartDeadline);
            return browser;
        }
        catch
        {
            browser.Dispose();
            throw;
        }
    }

    /// <summary>Opens a page in a tab of its own.</summary>
    public async Task<DevTools> OpenAsync(Uri page)
    {
        using var http = new HttpClient(new SocketsHttpHandler { UseProxy = false });
        string address = DevToolsAddress().Match(program.Output).Groups[1].Value;
        using HttpResponseMessage response = await http.PutAsync(
            new Uri($"http://{address}/json/new?{Uri.EscapeDataString(page.ToString())}"), null, TestContext.Current.CancellationToken);
        JsonElement target = JsonElement.Parse(await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken));
        return await DevTools.ConnectAsync(new Uri(target.GetProperty("webSocketDebuggerUrl").GetString()!));
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        program.Dispose();
        profile.Dispose();
    }

    [GeneratedRegex("DevTools listening on ws://([^/]+)/")]
    private static partial Regex DevToolsAddress();
}
