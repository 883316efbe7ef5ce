namespace Llama.Model.Checkpoints;

/// <summary>A checkpoint cannot be used. The message names the file or field, what was found and what was expected.</summary>
public sealed class CheckpointException : Exception
{
    /// <summary>A checkpoint cannot be used.</summary>
    /// <param name="message">File or field, what was found, what was expected.</param>
    /// <param name="innerException">The cause, if another exception told of it.</param>
    public CheckpointException(string message, Exception? innerException = null)
        : base(message, innerException)
    {
    }
}
