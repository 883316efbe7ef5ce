using System.Text.Json;
using System.Text.RegularExpressions;

namespace Llama.Tool.Pull;

/// <summary>A file of a model on a hub.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Bytes">Its length.</param>
/// <param name="Sha256">SHA-256 of its bytes, hexadecimal; null where the hub does not tell it.</param>
/// <param name="BlobId">SHA-1 of it as a blob of Git, hexadecimal; of large files it is that of a pointer.</param>
internal sealed record HubFile(string Name, long Bytes, string? Sha256, string? BlobId);

/// <summary>A model on a hub.</summary>
/// <param name="Name">ORG/NAME.</param>
/// <param name="Commit">The commit of its revision.</param>
/// <param name="Files">The files at its top.</param>
internal sealed partial record HubModel(string Name, string Commit, IReadOnlyList<HubFile> Files)
{
    private const long MostSmallBytes = 64 << 20;

    private static readonly HashSet<string> SmallExtensions = new(StringComparer.OrdinalIgnoreCase) { ".json", ".model", ".jinja", ".txt", ".md", "" };

    /// <summary>Reads what a hub tells of a model: <c>GET /api/models/ORG/NAME/revision/REVISION?blobs=true</c>.</summary>
    /// <param name="name">ORG/NAME.</param>
    /// <param name="answer">The answer.</param>
    /// <exception cref="InvalidDataException">It is no such answer.</exception>
    public static HubModel Read(string name, ReadOnlyMemory<byte> answer)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(answer);
            JsonElement root = document.RootElement;
            return new HubModel(name, root.GetProperty("sha").GetString()!, [.. root.GetProperty("siblings").EnumerateArray().Select(ReadFile).OfType<HubFile>()]);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or KeyNotFoundException or FormatException)
        {
            throw new InvalidDataException($"The hub's answer on {name} is not that of a Hugging Face hub: {e.Message}", e);
        }
    }

    /// <summary>What is needed beside the weights: nothing for a GGUF model, which has all inside.</summary>
    /// <param name="weights">The weights.</param>
    public IEnumerable<HubFile> Small(IReadOnlyList<HubFile> weights) =>
        IsGguf(weights[0]) ? [] : Files.Where(file => file.Bytes <= MostSmallBytes && SmallExtensions.Contains(Path.GetExtension(file.Name)));

    /// <summary>The weight files: those of safetensors, else the only GGUF model, or the one that is meant.</summary>
    /// <param name="part">Part of the name of the GGUF file that is meant; null where none is said.</param>
    /// <exception cref="InvalidDataException">There are none, or it is not clear which.</exception>
    public IReadOnlyList<HubFile> Weights(string? part)
    {
        HubFile[] safetensors = [.. Files.Where(file => Safetensors().IsMatch(file.Name))];
        if (part is null && safetensors.Length > 0) return safetensors;
        ILookup<string, HubFile> models = Files.Where(IsGguf).ToLookup(file => PartNumber().Replace(file.Name, ".gguf"), StringComparer.Ordinal);
        if (models.Count == 0) throw new InvalidDataException($"{Name} has no safetensors and no GGUF files at its top; expected either.");
        IGrouping<string, HubFile>[] meant = [.. models.Where(model => part is null || model.Key.Contains(part, StringComparison.OrdinalIgnoreCase))];
        return meant is [var one] ? [.. one.OrderBy(file => file.Name, StringComparer.Ordinal)] : throw new InvalidDataException(
            $"{Name} has {models.Count} GGUF models, of which {meant.Length} are meant; expected one, chosen by --file: {string.Join(", ", models.Select(model => model.Key))}.");
    }

    private static bool IsGguf(HubFile file) => file.Name.EndsWith(".gguf", StringComparison.OrdinalIgnoreCase);

    // Files in folders, and hidden ones, are none of a checkpoint.
    private static HubFile? ReadFile(JsonElement file)
    {
        string name = file.GetProperty("rfilename").GetString()!;
        if (name.Length is 0 or > 255 || name[0] == '.' || name.AsSpan().ContainsAny('/', '\\', '\0')) return null;
        bool isLarge = file.TryGetProperty("lfs", out JsonElement lfs) && lfs.ValueKind == JsonValueKind.Object;
        long bytes = (isLarge ? lfs : file).GetProperty("size").GetInt64();
        string? blob = !isLarge && file.TryGetProperty("blobId", out JsonElement id) ? id.GetString() : null;
        return new HubFile(name, bytes, isLarge ? lfs.GetProperty("sha256").GetString()!.ToLowerInvariant() : null, blob);
    }

    [GeneratedRegex(@"^model(-\d{5}-of-\d{5})?\.safetensors$")]
    private static partial Regex Safetensors();

    [GeneratedRegex(@"-\d{5}-of-\d{5}\.gguf$")]
    private static partial Regex PartNumber();
}
