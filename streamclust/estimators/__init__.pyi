from .inputs import largest_spread as largest_spread
from .kmeans import StreamingKMeans as StreamingKMeans
from .knn_outliers import KNNOutlierDetector as KNNOutlierDetector
from .pca import IncrementalPCA as IncrementalPCA
