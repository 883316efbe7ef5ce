using Llama.Model.Checkpoints;

namespace Llama.Model.Tokenization;

/// <summary>Finds and reads the tokenizer of a checkpoint folder.</summary>
public static class TokenizerLoader
{
    // Llama 3's files have 2 and 9 to 17 MB. A larger one is no tokenizer, and reading it could take any amount of memory.
    private const int MaxModelBytes = 16 << 20;
    private const int MaxJsonBytes = 32 << 20;

    /// <summary>
    /// Reads <c>tokenizer.model</c> (SentencePiece's protobuf or tiktoken's ranks, told apart by content) or else <c>tokenizer.json</c>
    /// (Hugging Face).
    /// </summary>
    /// <param name="folder">The checkpoint's folder.</param>
    /// <returns>The tokenizer, or null when the folder has neither file.</returns>
    /// <exception cref="CheckpointException">The file cannot be read, is malformed, or asks for what is not supported.</exception>
    public static ITokenizer? Load(string folder)
    {
        string model = Path.Combine(folder, "tokenizer.model");
        if (File.Exists(model))
        {
            byte[] content = SmallFile.Read(model, MaxModelBytes);
            return TiktokenFile.Recognises(content)
                ? TiktokenFile.Read(content, model)
                : SentencePieceModel.Read(content, model).CreateTokenizer();
        }

        string json = Path.Combine(folder, "tokenizer.json");
        return File.Exists(json) ? TokenizerJson.Read(SmallFile.Read(json, MaxJsonBytes), json) : null;
    }
}
