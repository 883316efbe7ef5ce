using Llama.Model.Checkpoints;
using Llama.Model.Checkpoints.Files;

namespace Llama.Model.Tokenization;

/// <summary>Reads files that are known to be small, so that a wrong one cannot take the process's memory.</summary>
internal static class SmallFile
{
    /// <summary>Reads a whole file.</summary>
    /// <param name="file">Its path.</param>
    /// <param name="maxBytes">Most bytes that it may have.</param>
    /// <exception cref="CheckpointException">It is empty or too large, or cannot be read.</exception>
    public static byte[] Read(string file, int maxBytes)
    {
        try
        {
            using FileStream stream = File.OpenRead(file);
            if (stream.Length == 0) throw new CheckpointException($"{file} is empty.");
            if (stream.Length > maxBytes)
                throw new CheckpointException($"{file} has {stream.Length} bytes; expected at most {maxBytes}.");
            var content = new byte[stream.Length];
            stream.ReadExactly(content);
            WrongDownload.Refuse(file, content);
            return content;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new CheckpointException($"{file} cannot be read: {exception.Message}", exception);
        }
    }
}
