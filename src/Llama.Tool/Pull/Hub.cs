using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text;
using Llama.Model.Checkpoints.Copying;

namespace Llama.Tool.Pull;

/// <summary>A hub that works as Hugging Face's.</summary>
/// <param name="http">Asks it; its address is the hub's.</param>
/// <param name="time">Measures deadlines and pauses.</param>
internal sealed class Hub(HttpClient http, TimeProvider time)
{
    private const int MostAnswerBytes = 32 << 20;
    private const int BufferBytes = 1 << 20;
    private const int Attempts = 6;

    private static readonly TimeSpan Silence = TimeSpan.FromSeconds(30);

    /// <summary>What the hub has of a model.</summary>
    /// <param name="name">ORG/NAME.</param>
    /// <param name="revision">Branch, tag or commit.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="IOException">The hub has none of this name, or cannot be reached.</exception>
    /// <exception cref="InvalidDataException">It does not answer as a hub does.</exception>
    public HubModel Describe(string name, string revision, CancellationToken cancellationToken)
    {
        var answer = new MemoryStream();
        Read($"api/models/{name}/revision/{Uri.EscapeDataString(revision)}?blobs=true", null, MostAnswerBytes, bytes => answer.Write(bytes), cancellationToken);
        return HubModel.Read(name, answer.ToArray());
    }

    /// <summary>A small file, with the hash that the hub tells of it.</summary>
    /// <param name="model">The model.</param>
    /// <param name="file">The file.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="IOException">It cannot be read, or has another hash.</exception>
    public byte[] Download(HubModel model, HubFile file, CancellationToken cancellationToken)
    {
        var content = new MemoryStream();
        Read(Place(model, file), null, file.Bytes, bytes => content.Write(bytes), cancellationToken);
        byte[] found = content.ToArray();
        return IsWhole(file, found) ? found : throw new IOException($"{file.Name}: found {found.Length} bytes that have not the hub's hash, expected {file.Bytes}.");
    }

    /// <summary>Whether bytes are those of a file.</summary>
    /// <param name="file">The file.</param>
    /// <param name="content">The bytes.</param>
    public static bool IsWhole(HubFile file, byte[] content) => content.Length == file.Bytes && (
        file.Sha256 is { } sha256 ? Convert.ToHexStringLower(SHA256.HashData(content)) == sha256 : file.BlobId is not { } blob || BlobId(content) == blob);

    /// <summary>A weight file.</summary>
    /// <param name="model">The model.</param>
    /// <param name="file">The file.</param>
    public IPieceSource Pieces(HubModel model, HubFile file) => new HubPieces(this, model, file);

    private static string Place(HubModel model, HubFile file) => $"{model.Name}/resolve/{model.Commit}/{Uri.EscapeDataString(file.Name)}";

#pragma warning disable CA5350 // Git names its blobs by SHA-1; nothing else is known of a small file.
    private static string BlobId(byte[] content) =>
        Convert.ToHexStringLower(SHA1.HashData([.. Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"blob {content.Length}\0")), .. content]));
#pragma warning restore CA5350

    /// <summary>Reads a place, or bytes <c>[first, end)</c> of it. Goes on from where it came to when a connection breaks.</summary>
    private void Read(string place, (long First, long End)? range, long mostBytes, PieceTaker take, CancellationToken cancellationToken)
    {
        byte[] buffer = new byte[BufferBytes];
        long done = 0;
        for (int attempt = 1; ; attempt++)
        {
            try
            {
                using var request = new HttpRequestMessage(HttpMethod.Get, place);
                if (range is { } piece) request.Headers.Range = new RangeHeaderValue(piece.First + done, piece.End - 1);
                using HttpResponseMessage response = Within(stopping => http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, stopping), cancellationToken);
                Check(response, place, isRange: range is not null);
                using Stream body = Within(response.Content.ReadAsStreamAsync, cancellationToken);
                while (done < mostBytes)
                {
                    int read = Within(stopping => body.ReadAsync(buffer.AsMemory(0, (int)Math.Min(buffer.Length, mostBytes - done)), stopping).AsTask(), cancellationToken);
                    if (read == 0) break;
                    take(buffer.AsSpan(0, read));
                    done += read;
                    attempt = 0;
                }

                if (range is null || done == mostBytes) return;
                throw new IOException($"{place}: the hub ended after {done} of {mostBytes} bytes");
            }
            catch (Exception e) when (IsPassing(e) && attempt < Attempts && (range is not null || done == 0) && !cancellationToken.IsCancellationRequested)
            {
                Task.Delay(TimeSpan.FromSeconds(0.5 * (1 << attempt)), time, cancellationToken).GetAwaiter().GetResult();
            }
            catch (Exception e) when (e is HttpRequestException or TimeoutException)
            {
                throw new IOException($"{http.BaseAddress}{place}: {e.Message}", e);
            }
        }
    }

    private static bool IsPassing(Exception e) =>
        e is HttpRequestException { StatusCode: null or HttpStatusCode.TooManyRequests or >= HttpStatusCode.InternalServerError } or IOException or TimeoutException;

    private static void Check(HttpResponseMessage response, string place, bool isRange)
    {
        if (isRange && response.StatusCode == HttpStatusCode.OK) throw new InvalidDataException($"{place}: the hub does not serve ranges of files.");
        if (response.StatusCode is HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden)
            throw new HttpRequestException("the hub asks for a token of somebody who may read the model (HF_TOKEN)", null, response.StatusCode);
        if (response.StatusCode == HttpStatusCode.NotFound) throw new HttpRequestException("the hub has nothing of this name", null, response.StatusCode);
        response.EnsureSuccessStatusCode();
    }

    private T Within<T>(Func<CancellationToken, Task<T>> work, CancellationToken cancellationToken)
    {
        using var deadline = new CancellationTokenSource(Silence, time);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellationToken);
        try
        {
            return work(both.Token).GetAwaiter().GetResult();
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new TimeoutException($"the hub was silent for {Silence.TotalSeconds} s");
        }
    }

    private sealed class HubPieces(Hub hub, HubModel model, HubFile file) : IPieceSource
    {
        public string Name => file.Name;

        public long Bytes => file.Bytes;

        // Files of the same content are the same, of whatever commit.
        public long Version => BitConverter.ToInt64(SHA256.HashData(Encoding.UTF8.GetBytes(file.Sha256 ?? file.BlobId ?? model.Commit)));

        public string? Sha256 => file.Sha256;

        public void Read(long first, long end, PieceTaker take, CancellationToken cancellationToken) =>
            hub.Read(Place(model, file), (first, end), end - first, take, cancellationToken);
    }
}
