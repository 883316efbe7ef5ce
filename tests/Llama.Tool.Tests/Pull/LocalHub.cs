using System.Globalization;
using System.Net;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace Llama.Tool.Tests.Pull;

/// <summary>A hub on this machine, with one model: its list of files, and files by ranges.</summary>
internal sealed class LocalHub : IAsyncDisposable
{
    public const string Name = "org/tiny";
    public const string Commit = "0123456789abcdef";

    private readonly HttpListener listener;
    private readonly Dictionary<string, byte[]> files;
    private readonly Task serving;

    public LocalHub(string folder, params string[] large)
    {
        files = Directory.EnumerateFiles(folder).ToDictionary(file => Path.GetFileName(file)!, File.ReadAllBytes, StringComparer.Ordinal);
        Large = [.. large];
        (listener, Address) = Listen();
        serving = ServeAsync();
    }

    public string Address { get; }

    /// <summary>At a port that nobody has, below those of outgoing connections. A listener that could not start is disposed of by itself.</summary>
    private static (HttpListener Listener, string Address) Listen()
    {
        while (true)
        {
            string address = $"http://127.0.0.1:{Random.Shared.Next(20_000, 32_000)}/";
            var listener = new HttpListener { Prefixes = { address } };
            try
            {
                listener.Start();
                return (listener, address);
            }
            catch (HttpListenerException)
            {
                // Taken.
            }
        }
    }

    /// <summary>Files that are told with their SHA-256; the others with that of their blob.</summary>
    public HashSet<string> Large { get; }

    /// <summary>Bytes of weights that were asked for.</summary>
    public long Served { get; private set; }

    /// <summary>Called before a range is sent.</summary>
    public Action? OnRange { get; set; }

    /// <summary>Answers are cut off after so many bytes, so often.</summary>
    public (int Bytes, int Times) CutOff { get; set; }

    /// <summary>Answers go out with a byte changed.</summary>
    public bool IsDamaged { get; set; }

    /// <summary>Whether ranges are honoured.</summary>
    public bool HasRanges { get; set; } = true;

    /// <summary>Files by name; what is put in is served.</summary>
    public IDictionary<string, byte[]> Files => files;

    public async ValueTask DisposeAsync()
    {
        listener.Stop();
        await serving;
        listener.Close();
    }

    private async Task ServeAsync()
    {
        while (listener.IsListening)
        {
            HttpListenerContext context;
            try
            {
                context = await listener.GetContextAsync();
            }
            catch (Exception e) when (e is HttpListenerException or ObjectDisposedException)
            {
                return;
            }

            try
            {
                await AnswerAsync(context);
            }
            catch (Exception e) when (e is HttpListenerException or IOException)
            {
                // The client went away.
            }
        }
    }

    private async Task AnswerAsync(HttpListenerContext context)
    {
        string path = context.Request.Url!.AbsolutePath;
        if (path == $"/api/models/{Name}/revision/main")
        {
            await WriteAsync(context, JsonSerializer.SerializeToUtf8Bytes(new { sha = Commit, siblings = files.Select(Describe) }));
            return;
        }

        string place = $"/{Name}/resolve/{Commit}/";
        if (!path.StartsWith(place, StringComparison.Ordinal) || !files.TryGetValue(path[place.Length..], out byte[]? content))
        {
            context.Response.StatusCode = 404;
            context.Response.Close();
            return;
        }

        if (IsDamaged) (content = [.. content])[^1] ^= 1;
        if (HasRanges && context.Request.Headers["Range"] is { } range)
        {
            string[] ends = range["bytes=".Length..].Split('-');
            int first = int.Parse(ends[0], CultureInfo.InvariantCulture), last = int.Parse(ends[1], CultureInfo.InvariantCulture);
            context.Response.StatusCode = 206;
            content = content[first..(last + 1)];
            Served += content.Length;
            OnRange?.Invoke();
        }

        await WriteAsync(context, content);
    }

    private async Task WriteAsync(HttpListenerContext context, byte[] content)
    {
        context.Response.ContentLength64 = content.Length;
        if (context.Response.StatusCode == 206 && CutOff.Times > 0 && content.Length > CutOff.Bytes)
        {
            CutOff = CutOff with { Times = CutOff.Times - 1 };
            await context.Response.OutputStream.WriteAsync(content.AsMemory(0, CutOff.Bytes));
            context.Response.Abort();
            return;
        }

        await context.Response.OutputStream.WriteAsync(content);
        context.Response.Close();
    }

    private object Describe(KeyValuePair<string, byte[]> file) => Large.Contains(file.Key)
        ? new { rfilename = file.Key, size = file.Value.Length, lfs = new { size = file.Value.Length, sha256 = Convert.ToHexStringLower(SHA256.HashData(file.Value)) } }
        : new { rfilename = file.Key, size = file.Value.Length, blobId = BlobId(file.Value) };

#pragma warning disable CA5350 // Git's names of blobs.
    private static string BlobId(byte[] content) => Convert.ToHexStringLower(SHA1.HashData(
        [.. Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"blob {content.Length}\0")), .. content]));
#pragma warning restore CA5350
}
