namespace Llama.Grains.Gateway;

/// <summary>Why the cluster was not changed.</summary>
public enum ClusterChangeError
{
    /// <summary>There is no such silo.</summary>
    NotFound,

    /// <summary>The silos that would be left cannot do it, or something kept it from being done.</summary>
    Refused,

    /// <summary>Too many changes wait, or another gateway has just taken the pipelines over; try again.</summary>
    Unavailable,
}

/// <summary>A change of the cluster that somebody asked for was not made; what runs goes on as before.</summary>
public sealed class ClusterChangeException : Exception
{
    /// <summary>A change was not made.</summary>
    /// <param name="error">What kind of refusal.</param>
    /// <param name="message">Why, for the caller.</param>
    public ClusterChangeException(ClusterChangeError error, string message)
        : base(message) => Error = error;

    /// <summary>What kind of refusal.</summary>
    public ClusterChangeError Error { get; }
}
