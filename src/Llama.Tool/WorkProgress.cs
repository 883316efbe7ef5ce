namespace Llama.Tool;

/// <summary>How far a command is.</summary>
/// <param name="Item">The file or tensor that it is at.</param>
/// <param name="Done">Bytes that are done, of all items.</param>
/// <param name="Total">Bytes that there are to do.</param>
internal readonly record struct WorkProgress(string Item, long Done, long Total);
