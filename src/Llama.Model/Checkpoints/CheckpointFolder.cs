using Llama.Model.Checkpoints.HuggingFace;
using Llama.Model.Checkpoints.Meta;

namespace Llama.Model.Checkpoints;

/// <summary>Whose files a checkpoint consists of.</summary>
internal enum CheckpointFormat
{
    /// <summary><c>params.json</c> and <c>consolidated.NN.pth</c>.</summary>
    Meta,

    /// <summary><c>config.json</c> and safetensors.</summary>
    HuggingFace,
}

/// <summary>Tells a checkpoint's format by what lies in its folder.</summary>
internal static class CheckpointFolder
{
    private const int NamesShown = 10;

    /// <summary>The format; where both configurations lie, Meta's weights decide.</summary>
    /// <exception cref="CheckpointException">No configuration lies there.</exception>
    public static CheckpointFormat FormatOf(string folder)
    {
        bool meta = File.Exists(Path.Combine(folder, MetaConfig.FileName));
        bool huggingFace = File.Exists(Path.Combine(folder, HuggingFaceConfig.FileName));
        if (meta && (!huggingFace || ShardFiles.Find(folder).Count > 0)) return CheckpointFormat.Meta;
        if (huggingFace) return CheckpointFormat.HuggingFace;
        throw new CheckpointException(
            $"{folder}: found no checkpoint, expected {MetaConfig.FileName} (Meta's format), {HuggingFaceConfig.FileName} "
            + $"(Hugging Face's) or a .gguf file; the folder holds {Contents(folder)}");
    }

    /// <summary>A few names of what lies in a folder, for messages.</summary>
    public static string Contents(string folder)
    {
        string[] names = [.. Directory.EnumerateFileSystemEntries(folder).Take(NamesShown + 1).Select(path => Path.GetFileName(path)!)];
        if (names.Length == 0) return "nothing";
        Array.Sort(names, StringComparer.Ordinal);
        return string.Join(", ", names.Take(NamesShown)) + (names.Length > NamesShown ? ", …" : "");
    }
}
